"""Tree of a fact: how it came to each resident, from the log alone.

    with Run.open("town") as run:
        who_knows(run, fact=1)["roots"][0]["told"]       # nodes of its first listeners

Plain JSON for the page and for the measures; the knowledge itself is followed by `spread`.
"""

from typing import Any

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.spread import Heard, Spread


def who_knows(run: Run, fact: int, step: int | None = None) -> dict[str, Any]:
    """The tree of a fact after a block of a run, by default the last one; see `tree_of`.

    Raises
    ------
    SimulationError
        The town has no such fact.
    """
    spread = Spread(stored_setting(run).people)
    for number, rows in enumerate(run.iter_steps(), start=1):
        if step is not None and number > step:
            break
        spread.add(rows)
    return tree_of(spread, fact)


def tree_of(spread: Spread, fact: int) -> dict[str, Any]:
    """The tree of a fact, JSON values.

    Returns
    -------
    The fact's `text` and `kind`, `n` residents that know it and the `depth` of the longest chain; and `roots`, which
    knew it from the start or by a whisper. Each node has `agent, name, second` (null: before the run), `trust` and
    `told`, the nodes of its listeners, in the order of time.

    Raises
    ------
    SimulationError
        The town has no such fact.
    """
    facts = spread.people.facts
    if not 0 <= fact < len(facts):
        raise SimulationError(f"fact {fact}: this town has the facts 0 to {len(facts) - 1}")
    known = sorted(spread.knowers[fact].items(), key=lambda each: (each[1].second, each[0]))
    nodes = {agent: _node(spread.people, agent, heard) for agent, heard in known}
    roots, depths = [], dict.fromkeys(nodes, 0)
    for agent, heard in known:
        if heard.source in nodes and heard.source != agent:
            nodes[heard.source]["told"].append(nodes[agent])
            depths[agent] = depths[heard.source] + 1
        else:
            roots.append(nodes[agent])
    return {
        "fact": fact,
        "kind": facts[fact].kind,
        "text": facts[fact].text,
        "n": len(nodes),
        "depth": max(depths.values(), default=0),
        "roots": roots,
    }


def _node(people: People, agent: int, heard: Heard) -> dict[str, Any]:
    return {
        "agent": agent,
        "name": people.residents[agent].name,
        "second": heard.second if heard.second >= 0 else None,
        "trust": heard.trust,
        "told": [],
    }
