"""Where agents live. A world is one module with `resume(run)`, `measures(run)` and `report(run)`, and one line here.

A world adds only its own rules: agents, memory, minds, the recommender protocol and the event log are shared.
"""

from types import ModuleType

from recgpt.simulate.worlds.feed import run as feed_run

WORLDS: dict[str, ModuleType] = {feed_run.WORLD: feed_run}
