"""Calls of the mind `llm` of a town: their number without a model, and what a small model makes of some hours.

    python benchmarks/town/llm_mind.py calls                                   # 25 people, a day: under a minute
    recgpt llm serve --port 8094 --context 4096 --parallel 1 &
    python benchmarks/town/llm_mind.py play --base-url http://127.0.0.1:8094/v1 --first 16 --hours 1

`calls` puts the scripted decision in the place of each reply: every prompt is rendered and counted, nothing is sent.
`play` plays hours of the first day of the first three people of Hazelbrook with a model, seed 0; hours before
`--first` are played by the scripted mind. Both write `benchmarks/results/town/llm_<name>.json`.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recgpt.device import hardware
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Reply, Request
from recgpt.simulate.llm.serve import MODEL
from recgpt.simulate.minds.ask import client_from_options
from recgpt.simulate.minds.options import LLMOptions
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.inputs import load_inputs
from recgpt.simulate.worlds.town.minds.llm import LLMMind
from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.town.world import Town

RESULTS = Path(__file__).parents[1] / "results" / "town"
BLOCKS_AN_HOUR = 6
SHOWN = ("acted", "talked", "said", "reflected", "thought")


class CountingClient:
    """Stands in for a client: counts the requests by purpose, and has no reply to any."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def twin(self) -> "CountingClient":
        """The same counts, for another thread."""
        return self

    def complete(self, requests: Sequence[Request], **_: Any) -> list[Reply]:
        """No reply to each, so that the scripted decision is taken."""
        self.asked.update(request.purpose for request in requests)
        return [Reply(None, "not_json", ()) for _ in requests]


def counted(people: int, hours: int) -> dict[str, Any]:
    """Calls an agent-day by prompt, of a town with a page of the most popular items."""
    config = TownConfig(people=people, hours=hours, recommender="popularity")
    inputs = load_inputs(config)
    rules, client = config.rules(), CountingClient()
    scripted = ScriptedMind(inputs.setting, rules, seed=config.seed)
    mind = LLMMind(client, inputs.setting, rules, scripted=scripted)  # type: ignore[arg-type]  # counts only
    town = Town(rules, inputs.setting, mind, recommender=inputs.recommender, seed=config.seed)
    while not town.over:
        town.apply(town.play())
    days = people * hours / 24
    calls = {prompt: round(number / days, 1) for prompt, number in client.asked.most_common()}
    return {"people": people, "hours": hours, "calls": calls, "all": round(client.asked.total() / days, 1)}


def played(options: LLMOptions, people: int, first: int, hours: int) -> dict[str, Any]:
    """Calls and events of some hours with a language model, after hours of the scripted mind."""
    config = TownConfig(people=people, hours=first + hours)
    setting, rules = load_inputs(config).setting, config.rules()
    client: LLMClient = client_from_options(options, seed=config.seed, run=None)
    scripted = ScriptedMind(setting, rules, seed=config.seed)
    town = Town(rules, setting, scripted, seed=config.seed)
    events: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    texts: list[str] = []
    began = time.monotonic()
    for block in range(rules.n_blocks):
        if block == first * BLOCKS_AN_HOUR:
            town.mind = LLMMind(client, setting, rules, scripted=scripted)
        rows = town.play()
        town.apply(rows)
        if block < first * BLOCKS_AN_HOUR:
            continue
        events.update(rows["kind"])
        failures.update((text or "").partition(":")[0] for text in rows.filter(rows["kind"] == "failed")["text"])
        chosen = rows.filter(rows["kind"].is_in(SHOWN)).select("time", "agent", "kind", "text")
        texts += [
            f"{time // 3600:02}:{time // 60 % 60:02} {agent} {kind}: {text}"
            for time, agent, kind, text in chosen.iter_rows()
        ]
        print(
            f"{(block + 1) // BLOCKS_AN_HOUR:02}:{(block + 1) % BLOCKS_AN_HOUR}0, {client.spent.calls} calls",
            flush=True,
        )
    return {
        "model": options.model,
        "people": people,
        "from_hour": first,
        "hours": hours,
        "calls": client.spent.calls,
        "tokens": client.spent.tokens,
        "failed": dict(failures),
        "events": {kind: events[kind] for kind in (*SHOWN, "planned", "failed")},
        "texts": texts,
        "seconds": round(time.monotonic() - began),
    }


def main() -> None:
    """Count or play, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calls", "play"))
    parser.add_argument("--people", type=int, help="by default 25 to count, 3 to play")
    parser.add_argument("--first", type=int, default=16, help="hour of the day from which the model decides")
    parser.add_argument("--hours", type=int, help="by default 24 to count, 1 to play")
    parser.add_argument("--base-url", default="http://127.0.0.1:8094/v1")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--max-tokens", type=int, default=350, help="of one reply")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": 0}
    if args.what == "calls":
        found = counted(args.people or 25, args.hours or 24)
    else:
        options = LLMOptions(base_urls=(args.base_url,), key_env=None, model=args.model, max_tokens=args.max_tokens)
        options = options.model_copy(update={"timeout_s": 900.0, "max_failed": 1, "concurrency": 1})
        found = played(options, args.people or 3, args.first, args.hours or 1)
    text = json.dumps(about | found, indent=1, ensure_ascii=False)
    write_text(args.json or RESULTS / f"llm_{args.what}.json", text + "\n")
    print(text)


if __name__ == "__main__":
    run(main, "llm_mind.py")
