"""View of a society at one round as plain JSON, with everything that its HTML pages show.

    view(run, step=3)["social"]["density"]

The HTML report renders only this. Texts of items and agents are unescaped, as in the log: escape them in HTML. Of large
societies it holds the agents of `view_graph.connected_sample`.
"""

from typing import Any

import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.society import view_parts as parts
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.reader import read
from recgpt.simulate.worlds.society.view_agents import agents, liveliest, relations
from recgpt.simulate.worlds.society.view_graph import ego, graph

_MAX_MESSAGES, _STORIES = 400, 4


def view(run: Run, step: int) -> dict[str, Any]:
    """View of a run after one of its rounds; 0: before the first.

    Returns
    -------
    dict
        `run, manifest, config, step, time` (simulated seconds), `now` (date and time), `finished`.
        `metrics` : `society_measures` of the rounds so far. `calls` : `Run.calls_summary` of the whole run.
        `agents` : profile, role, event, last items watched and heard of, opinions, diary. `graph` : nodes, links,
        clusters. `stories` : of the liveliest agents the number, the graph of its friends (`ego`), and `relations`.
        `recommender, social` : figures of the two tabs. `log` : messages of the round.
        `posts` : the newest, with reactions. `schedule` : entries, and the rounds in which they took effect.
        `answers` : of surveys, polls and interviews by round. `cascades` : the largest trees.

    Raises
    ------
    SimulationError
        The run is of another world, or has no such step.
    """
    if not 0 <= step <= run.n_steps:
        raise SimulationError(f"run {run.run_id} has no step {step}: choose one from 0 to {run.n_steps}")
    reader = read(run, step)
    is_end = step == reader.config.rounds
    metrics = run.metrics if is_end and run.finished else reader.tally.measures()
    current = run.events(step)
    time, now = parts.clock(reader, step)
    drawn = graph(reader, step)
    shown = agents(reader, step, [node["id"] for node in drawn["nodes"]])
    return {
        "run": run.summary().model_dump(),
        "manifest": run.manifest.model_dump(mode="json", exclude={"kinds"}),
        "config": reader.config.model_dump(mode="json"),
        "step": step,
        "time": time,
        "now": now,
        "finished": is_end,
        "people": reader.setting.people.made_from,
        "calls": run.calls_summary(),
        "metrics": metrics,
        "agents": shown,
        "graph": drawn,
        "stories": [
            {"id": agent, "ego": ego(reader, step, agent), "relations": relations(reader, step, agent)}
            for agent in liveliest(shown, _STORIES)
        ],
        "recommender": parts.recommender(reader, step),
        "social": parts.social(reader, step),
        "log": messages(pl.concat([reader.watching(step), current.head(_MAX_MESSAGES)]), reader.setting),
        "posts": parts.newest_posts(reader.at(step)),
        "schedule": parts.schedule(reader, step),
        "answers": parts.answers(reader, step),
        "cascades": parts.cascades(reader, step),
    }
