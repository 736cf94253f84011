"""Episodes with a small language model on this machine as the user, for reading: prompts, replies, ratings, reasons.

    recgpt llm serve --port 8094 --context 4096 &
    python benchmarks/gym/small_model.py http://127.0.0.1:8094/v1

Random items of the made-up catalogues (or of a data set folder, `--items`), each episode with one user. Writes
`benchmarks/results/gym/small_model.json`: each question with its reply, and one prompt whole.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.device import hardware
from recgpt.program import run
from recgpt.simulate.llm.serve import MODEL
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.gym import draws
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.llm import LLMMind

RESULT = Path(__file__).parents[1] / "results/gym/small_model.json"
EPISODES = (
    {"domain": "movies", "rater": "0Shot_cotlite_our", "retrieval": "decay_emotion_3", "seeds": [0, 1, 2]},
    {"domain": "books", "rater": "2Shot_system_our", "retrieval": "most_similar_3", "seeds": [0]},
    {"domain": "movies", "rater": "0Shot_cot_enhanced", "retrieval": "decay_emotion_3", "seeds": [0], "steps": 4},
)


def play(base_url: str, spec: dict[str, Any], steps: int, items: str | None) -> dict[str, Any]:
    """All episodes of a specification at once, an environment each."""
    names = {name: spec[name] for name in ("domain", "rater", "retrieval")}
    inputs = load_inputs(GymRules(**names, shaping="identity", items=items))
    llm = {
        "base_urls": [base_url],
        "key_env": None,
        "model": MODEL,
        "max_tokens": 160,
        "concurrency": 2,
        "timeout_s": 600,
    }
    mind = make_mind(MindOptions.model_validate({"mind": "llm", "llm": llm}), inputs, seed=0)
    assert isinstance(mind, LLMMind)  # noqa: S101
    engine = Engine(inputs, mind, len(spec["seeds"]))
    engine.reset(spec["seeds"])
    started, rows = time.monotonic(), []
    for step in range(spec.get("steps", steps)):
        allowed = engine.allowed()
        step_E = np.full(len(allowed), step)
        draw_E = (draws.uniform(engine.key_E, step_E, "shown") * allowed.sum(axis=1)).astype(int)
        item_E = np.array([np.flatnonzero(mask)[draw] for mask, draw in zip(allowed, draw_E, strict=True)])
        outcome = engine.decide(item_E)
        engine.apply(outcome)
        rows += [described(inputs, outcome, row) for row in range(len(item_E))]
    asked = mind.conversation(int(engine.user_E[0]), int(item_E[0]))
    return {
        **names,
        "prompt": [dict(message) for message in asked.messages],
        "seconds": round(time.monotonic() - started, 1),
        "calls": mind.client.spent.calls,
        "tokens": mind.client.spent.tokens,
        "failed": sum(row["failure"] is not None for row in rows),
        "steps": rows,
    }


def described(inputs: Inputs, steps: Any, row: int) -> dict[str, Any]:
    """One step as plain values."""
    user, item = int(steps.user_E[row]), int(steps.item_E[row])
    titles, users = inputs.items.titles, inputs.users
    rating = float(steps.llm_rating_E[row])
    average = float(inputs.items.average_N[item])
    return {
        "user": f"{users.names[user]}, {int(users.age_U[user])}",
        "likes": list(users.liked[user]),
        "dislikes": list(users.disliked[user]),
        "item": titles[item],
        "tags": list(inputs.items.tags[item]),
        "average": None if np.isnan(average) else round(average, 1),
        "recalled": [titles[each] for each in steps.recalled_items_Ek[row] if each >= 0],
        "rating": None if np.isnan(rating) else rating,
        "reply": steps.replies[row],
        "reason": steps.explanations[row],
        "failure": steps.failures[row],
    }


def main() -> None:
    """Play, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--items", help="data set folder; by default the made-up catalogues")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    facts = {"date": datetime.now(UTC).date().isoformat(), "model": MODEL, "hardware": hardware()}
    played: list[dict[str, Any]] = []
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for spec in EPISODES:
        played.append(play(given.base_url, spec, given.steps, given.items))
        text = json.dumps({**facts, "episodes": played}, indent=1, ensure_ascii=False)
        given.out.write_text(text + "\n", encoding="utf-8")
        print(f"{spec['domain']} {spec['rater']}: {played[-1]['seconds']} s, {played[-1]['failed']} failed", flush=True)


if __name__ == "__main__":
    run(main, "small_model.py")
