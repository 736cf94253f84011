"""Believability with a language model as the person: cost of the published size, and a small run.

    python benchmarks/society/believability_llm.py DATA/recagent --past DATA/movielens_1m
    recgpt llm serve --port 8094 --context 3072 &
    python benchmarks/society/believability_llm.py ... --base-url http://127.0.0.1:8094/v1 --people 20

The candidates are those of `recgpt experiment believability`. The person is described by age, gender, job, interests
and the last 20 films; one call a task, with the numbers of the films to pick. Without --base-url only the cost is
printed and written.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, create_model

from recgpt.device import hardware
from recgpt.errors import ConfigError
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.experiments.base import mean_of
from recgpt.simulate.experiments.society.believability import NEGATIVES, BelievabilitySettings, Task, draw_task
from recgpt.simulate.experiments.society.past import PastLab
from recgpt.simulate.llm.budget import listed_price
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Message, Request
from recgpt.simulate.llm.serve import MODEL
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import client_from_options
from recgpt.simulate.minds.options import LLMOptions

RESULT = Path(__file__).parents[1] / "results" / "society" / "believability_llm.json"
PRICED = ("gpt-5-nano", "gpt-4o-mini", "gpt-5-mini", "gpt-3.5-turbo", "gpt-4o")
SIZES = {"published: 20 people, 4 tasks": 20 * 4, "1,000 people, 4 tasks, 2 kinds of negatives": 1000 * 4 * 2}
LATEST = 20


def picks_schema(n_taken: int, n_items: int) -> type[BaseModel]:
    """As many numbers of candidates as films were taken."""
    number = Literal[tuple(range(1, n_items + 1))]  # type: ignore[valid-type]
    fields: dict[str, Any] = {f"film_{place}": (number, ...) for place in range(1, n_taken + 1)}
    return create_model("Picks", **fields)


def request_of(lab: PastLab, task: Task, row: int) -> Request:
    """The question of one person."""
    person, items = int(task.person_A[row]), task.items_AS[row]
    people, titles = lab.people, lab.facts.items["title"]
    seen = people.population.histories[person][-LATEST:]
    n_taken = int(task.taken_AS[row].sum())
    who = (
        f"You are a {people.age_A[person]} year old {people.gender[person]}, by job {people.status[person]}."
        f" You like {people.interest[person]}. The last films that you watched, oldest first:\n"
        + "\n".join(quoted(titles[int(item)]) for item in seen)
    )
    listed = "\n".join(f"{number}. {quoted(titles[int(item)])}" for number, item in enumerate(items, start=1))
    wanted = f"Which {n_taken} of these films do you watch next? Answer with different numbers.\n{listed}"
    messages: list[Message] = [{"role": "system", "content": who}, {"role": "user", "content": wanted}]
    return Request(messages, picks_schema(n_taken, len(items)), "believability")


def asked(client: LLMClient, lab: PastLab, task: Task) -> dict[str, Any]:
    """Share of a person's films among those picked, over the valid replies, and how many failed."""
    replies = client.complete([request_of(lab, task, row) for row in range(len(task.person_A))], describe="people")
    shares, places = [], []
    for reply, taken_S in zip(replies, task.taken_AS, strict=True):
        if reply.value is not None:
            numbers = [int(number) for number in reply.value.model_dump().values()]
            places += numbers
            shares.append(taken_S[np.unique(numbers) - 1].sum() / taken_S.sum())
    estimate = mean_of(np.array(shares)) if len(shares) > 1 else None
    return {
        "recognised": None if estimate is None else vars(estimate),
        "chance": float(task.taken_AS[0].mean()),
        "valid": len(shares),
        "failed": len(replies) - len(shares),
        "numbers picked": np.bincount(places, minlength=task.items_AS.shape[1] + 1)[1:].tolist(),
    }


def tasks_of(lab: PastLab, settings: BelievabilitySettings) -> dict[str, Task]:
    """Candidates of all tasks with both kinds of negatives."""
    return {
        f"{name}, {kind}": draw_task(lab, n_taken, n_others, kind, settings)
        for name, (n_taken, n_others) in zip(settings.tasks, settings.sizes(), strict=True)
        for kind in NEGATIVES
    }


def main() -> None:
    """Estimate, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--past")
    parser.add_argument("--base-url")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--tasks", default="1+5,3+3,3+6,1+9")
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    settings = BelievabilitySettings(tasks=tuple(args.tasks.split(",")))
    lab = PastLab.of(args.dataset, agents=args.people, n_hidden=3, seed=0, past=args.past)
    if lab.profile is None:
        raise ConfigError(f"{args.dataset}: there is no table of the users beside the films")
    address = args.base_url or "http://127.0.0.1"
    options = LLMOptions(base_urls=(address,), key_env=None, model=args.model, max_tokens=100, concurrency=2)
    client = client_from_options(options.model_copy(update={"timeout_s": 900}), seed=0, run=None)
    tasks = tasks_of(lab, settings)
    published = tasks_of(lab, BelievabilitySettings())
    samples = [request_of(lab, task, row) for task in published.values() for row in range(min(5, len(task.person_A)))]
    costs: dict[str, Any] = {}
    for size, n_calls in SIZES.items():
        use = client.estimate(samples, n_calls)
        costs[size] = {"calls": use.calls, "tokens_in": use.tokens_in, "tokens_out": use.tokens_out}
        costs[size]["usd"] = {
            name: round(price.usd(use.tokens_in, use.tokens_out), 4)
            for name in PRICED
            if (price := listed_price(name)) is not None
        }
    report: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "cost": costs}
    if args.base_url:
        started = time.monotonic()
        found = {name: asked(client, lab, task) for name, task in tasks.items()}
        spent = {"calls": client.spent.calls, "tokens": client.spent.tokens}
        report |= {"model": args.model, "people": args.people, "tasks": found, **spent}
        report["seconds"] = round(time.monotonic() - started)
    print(json.dumps(report, indent=1))
    write_text(args.json, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    run(main, "believability_llm.py")
