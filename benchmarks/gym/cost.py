"""Cost of language-model users: tokens of every rater's prompt, and the price of an evaluation and of a training run.

    python benchmarks/gym/cost.py --items ../shared/data/simulate/emosim

Renders the questions of 50 users on 4 items each, with the memories of the domain's retrieval, and counts them as the
client's estimate does: 4 characters a token, the reply's schema included, a reason as one sentence. One evaluation is
600 users with 10 items, one training run 1.8 million steps. Equal questions are sent once, which costs less than this.
Writes `benchmarks/results/gym/cost.json` and prints the table.
"""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.program import run
from recgpt.simulate.llm.budget import Caps, Price, listed_price
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds.llm import LLMMind

RESULT = Path(__file__).parents[1] / "results/gym/cost.json"
MODELS = ("gpt-4.1-nano", "gpt-4o-mini", "deepseek-chat", "gpt-4.1")
N_USERS, N_ITEMS = 50, 4
EVALUATION, TRAINING = 600 * 10, 1_800_000


def tokens_of(inputs: Inputs, rater: str) -> tuple[float, float]:
    """Mean tokens of a question and of its reply."""
    server = Server("http://127.0.0.1:9/v1", None)  # an estimate sends nothing
    client = LLMClient([server], MODELS[0], caps=Caps())
    mind = LLMMind(client, inputs.domain, inputs.items, inputs.users, inputs.rules.changed(flags={"rater": rater}))
    users = np.linspace(0, len(inputs.users) - 1, N_USERS).astype(int)
    items = np.linspace(0, len(inputs.items) - 1, N_USERS * N_ITEMS).astype(int)
    middle = float(inputs.domain.scale.values.mean())
    requests = [
        mind.conversation(
            int(user), int(item), [((int(item) + step) % len(inputs.items), middle) for step in (1, 2, 3)]
        )
        for user, item in zip(np.repeat(users, N_ITEMS), items, strict=True)
    ]
    expected = client.estimate(requests, len(requests))
    return expected.tokens_in / len(requests), expected.tokens_out / len(requests)


def dollars(prices: Mapping[str, Price], tokens: tuple[float, float], n_calls: int) -> dict[str, float]:
    """Cost of so many calls by model."""
    return {
        model: round(price.usd(round(n_calls * tokens[0]), round(n_calls * tokens[1])), 2)
        for model, price in prices.items()
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", help="data set folder; by default the made-up catalogues")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    prices = {model: price for model in MODELS if (price := listed_price(model)) is not None}
    table: list[dict[str, Any]] = []
    print(f"{'rater':<38}{'in':>7}{'out':>5}" + "".join(f"{model:>24}" for model in prices))
    for domain in ("movies", "books"):
        inputs = load_inputs(GymRules(domain=domain, items=given.items))
        for rater in inputs.domain.raters:
            tokens = tokens_of(inputs, rater)
            evaluation, training = (dollars(prices, tokens, n) for n in (EVALUATION, TRAINING))
            row = {"domain": domain, "rater": rater, "tokens_in": round(tokens[0]), "tokens_out": round(tokens[1])}
            table.append({**row, "usd_of_evaluation": evaluation, "usd_of_training": training})
            costs = "".join(f"{evaluation[model]:>10,.2f} / {training[model]:>11,.0f}" for model in prices)
            print(f"{domain:<8}{rater:<30}{tokens[0]:>7,.0f}{tokens[1]:>5,.0f}{costs}", flush=True)
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "items": "published films and books" if given.items else "made-up catalogues",
        "prices": {model: price.model_dump() for model, price in prices.items()},
        "calls": {"evaluation": EVALUATION, "training": TRAINING},
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**facts, "raters": table}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "cost.py")
