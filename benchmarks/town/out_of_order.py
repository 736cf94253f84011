"""Blocks of a town out of order against lock-step and one decision at a time, with a mind of a fixed delay.

    python benchmarks/town/out_of_order.py                   # 25 people, 8:00 to 10:00, .2 s a decision: some minutes

Every decision for which the mind `llm` calls its language model takes the delay, as with a server that answers any
number of requests in the same time: plans, activities, talks, reactions that may become talks, reflections, choices of
items. The decision itself is the scripted one, so that all ways have the same log.

- `serial`: decisions one after the other (the published way): their number times the delay;
- `lock_step`: residents that do not see each other are decided at the same time, all at the same tick;
- `out_of_order`: each at its own tick, see `recgpt.simulate.worlds.town.out_of_order`;
- `critical`: the longest chain of decisions of one resident in each block: no order of residents is faster.

Writes `benchmarks/results/town/out_of_order.json`. The ratios are of one run on one machine.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recgpt.simulate.worlds.town.activities import SLEEPING
from recgpt.simulate.worlds.town.block import Block
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.inputs import load_inputs
from recgpt.simulate.worlds.town.minds import make_mind
from recgpt.simulate.worlds.town.minds.base import Response
from recgpt.simulate.worlds.town.out_of_order import OutOfOrder
from recgpt.simulate.worlds.town.state import TownState

RESULT = Path(__file__).parents[1] / "results" / "town" / "out_of_order.json"
DECISIONS = ("plan_day", "act", "react", "talk", "reflect", "browse", "choose", "rate")


class DelayedMind:
    """The scripted mind, whose decisions take some time, but for sleep, taken places and persons passed by."""

    def __init__(self, mind: Any, delay: float) -> None:
        self._mind = mind
        self._delay = delay
        self.calls: Counter[int] = Counter()

    def __getattr__(self, name: str) -> Any:
        decide = getattr(self._mind, name)
        return self._delayed(decide) if name in DECISIONS else decide

    def _delayed(self, decide: Callable[..., Any]) -> Callable[..., Any]:
        def call(scene: Any, *arguments: Any) -> Any:
            found = decide(scene, *arguments)
            by_rule = getattr(found, "activity", None) == SLEEPING or scene.taken >= 0
            if not by_rule and getattr(found, "response", None) != Response.GO_ON:
                self.calls[scene.agent] += 1
                time.sleep(self._delay)
            return found

        return call


class LockStep(OutOfOrder):
    """Decides groups of residents of the same tick at the same time, and the next tick after all of them."""

    def _may_go_on(self, group: list[int]) -> bool:
        return bool(self._tick_A[group[0]] == self._tick_A.min()) and super()._may_go_on(group)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--first", type=int, default=8, help="hour of the day at which the measurement begins")
    parser.add_argument("--hours", type=int, default=2, help="hours that are measured")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds of a decision")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    result = measured(options.people, options.first, options.hours, options.delay)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measured(people: int, first: int, hours: int, delay: float) -> dict[str, Any]:
    """Seconds of each way, and whether all have the same events."""
    config = TownConfig(people=people, hours=first + hours)
    setting = load_inputs(config).setting
    mind = make_mind(config, setting, config.rules(), seed=config.seed, run=None)
    state = TownState(config.rules(), setting, config.seed)
    for block in range(first * 6):
        state.apply(to_rows(Block(state, mind).play(), step=block + 1, seconds_per_tick=10))
    seconds = dict.fromkeys(("serial", "lock_step", "out_of_order", "critical"), 0.0)
    n_calls, is_same, load = 0, True, os.getloadavg()[0]
    for block in range(first * 6, (first + hours) * 6):
        slow = DelayedMind(mind, delay)
        found = {}
        for name, way in (("lock_step", LockStep), ("out_of_order", OutOfOrder)):
            slow.calls.clear()
            began = time.perf_counter()
            events: list[Event] = way(Block(state, slow), n_workers=64).play()
            seconds[name] += time.perf_counter() - began
            found[name] = to_rows(events, step=block + 1, seconds_per_tick=10)
        plain = to_rows(Block(state, mind).play(), step=block + 1, seconds_per_tick=10)
        is_same = is_same and all(plain.equals(rows) for rows in found.values())
        n_calls += slow.calls.total()
        seconds["critical"] += delay * max(slow.calls.values(), default=0)
        state.apply(plain)
    seconds["serial"] = n_calls * delay
    return {
        "people": people,
        "from_hour": first,
        "hours": hours,
        "delay_s": delay,
        "n_decisions": n_calls,
        "same_events": is_same,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "against_lock_step": round(seconds["lock_step"] / seconds["out_of_order"], 2),
        "against_serial": round(seconds["serial"] / seconds["out_of_order"], 2),
        "share_of_limit": round(seconds["critical"] / seconds["out_of_order"], 2),
        "load": load,
        "date": datetime.now(UTC).date().isoformat(),
        "seed": config.seed,
    }


if __name__ == "__main__":
    main()
