"""View of a society at one round as plain JSON, with everything that its HTML pages show.

    view(run, step=3)["social"]["density"]

The HTML report renders only this. Texts of items and agents are unescaped, as in the log: escape them in HTML.

Rule for large societies: profiles, nodes and links are of `MAX_AGENTS` agents, found breadth-first from the agent
with the most friends; links of them up to `MAX_LINKS`, the closest first. All counts are of everybody, and `clusters`
are of everybody too, by main interest.
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.progress import track
from recgpt.simulate.store import Run
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.society.config import NAME, SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.measures import Tally, stored
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.provenance import HEARINGS
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.state import Setting
from recgpt.simulate.worlds.society.ties import Ties
from recgpt.simulate.worlds.society.words import posted

MAX_AGENTS, MAX_LINKS = 1000, 5000
_LAST = 10  # items watched and heard of
_MAX_MESSAGES, _MAX_POSTS, _MAX_CASCADES, _TOP = 400, 50, 20, 3
_HOUR = 3600
_HOURS = {"watched": 2.0, "posted": 0.1}
_KEPT = ("watched", "chatted", "posted", "rated", "retrieved", "thought", "intervened", "answered", "interviewed")
_HEARD = [pl.col(name).cast(pl.Int32) for name in ("step", "agent", "item", "source", "other")]
_ACTIVITIES = {"watched": "watching", "chatted": "chatting", "posted": "posting"}


def config_of(run: Run) -> SocietyConfig:
    """Configuration of the run of a society.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    return stored_config(run, NAME, SocietyConfig)


def view(run: Run, step: int) -> dict[str, Any]:
    """View of a run after one of its rounds; 0: before the first.

    Returns
    -------
    dict
        `run, manifest, config, step, time` (simulated seconds), `now` (date and time), `finished`.
        `metrics` : `society_measures` of the rounds so far. `calls` : `Run.calls_summary` of the whole run.
        `agents` : profile, role, event, last items watched and heard of, opinions, diary. `graph` : nodes, links,
        clusters. `recommender, social` : figures of the two tabs. `log` : messages of the round.
        `posts` : the newest, with reactions. `schedule` : entries, and the rounds in which they took effect.
        `answers` : of surveys, polls and interviews by round. `cascades` : the largest trees.

    Raises
    ------
    SimulationError
        The run is of another world, or has no such step.
    """
    config = config_of(run)
    if not 0 <= step <= run.n_steps:
        raise SimulationError(f"run {run.run_id} has no step {step}: choose one from 0 to {run.n_steps}")
    setting = stored(run)
    tally, current, kept, heard = Tally(setting, config.part(SocietyRules)), run.events(0), [], []
    for number in track(range(1, step + 1), f"reading run {run.run_id}", total=step):
        current = run.events(number)
        tally.add(current)
        kept.append(current.filter(pl.col("kind").is_in(_KEPT)))
        heard.append(tally.provenance.last_hearings().filter(pl.col("item") >= 0).select(_HEARD))
    events = pl.concat([run.events(0), *kept])
    named = pl.concat([pl.DataFrame(schema=HEARINGS).select(_HEARD), *heard])
    time = int(current["time"][0]) if len(current) else 0
    is_end = step == config.rounds
    people, friends = tally.provenance.profiles.people, tally.provenance.social.friends
    shown = connected_sample(friends, MAX_AGENTS)
    busy = busy_at(events, time)
    titles = setting.facts.items["title"].to_list()
    metrics = run.metrics if is_end and run.finished else tally.measures()
    return {
        "run": run.summary().model_dump(),
        "manifest": run.manifest.model_dump(mode="json", exclude={"kinds"}),
        "config": config.model_dump(mode="json"),
        "step": step,
        "time": time,
        "now": _date(config, time),
        "finished": is_end,
        "people": people.made_from,
        "calls": run.calls_summary(),
        "metrics": metrics,
        "agents": _agents(shown, tally, people, setting, events, named, busy),
        "graph": _graph(shown, people, friends, busy),
        "recommender": _recommender(config, metrics, current, titles),
        "social": _social(tally, busy, metrics, titles),
        "log": messages(current.head(_MAX_MESSAGES), setting),
        "posts": _posts(tally, people, titles),
        "schedule": _schedule(config, events),
        "answers": _answers(events),
        "cascades": _cascades(tally, people, titles),
    }


def _date(config: SocietyConfig, seconds: float) -> str:
    return str(np.datetime64(config.start_time.replace(tzinfo=None), "s") + np.timedelta64(int(seconds), "s"))


def busy_at(events: pl.DataFrame, time: int) -> dict[int, dict[str, Any]]:
    """Activities of agents at `time`, by agent: type, start, seconds, targets; of several the longest counts."""
    begun = events.filter(pl.col("kind").is_in(list(_ACTIVITIES)))
    busy: dict[int, dict[str, Any]] = {}
    for kind, agent, other, item, value, start in begun.select(
        "kind", "agent", "other", "item", "value", "time"
    ).iter_rows():
        duration = int(_HOUR * (value if kind == "chatted" else _HOURS[kind]))
        if start + duration <= time:
            continue
        for each, target in ((agent, other), (other, agent)) if kind == "chatted" else ((agent, item),):
            known = busy.get(each)
            targets = known["targets"] if known and known["type"] == "chatting" == _ACTIVITIES[kind] else []
            if known is None or start + duration >= known["end"]:
                busy[each] = {
                    "type": _ACTIVITIES[kind],
                    "start": start,
                    "duration": duration,
                    "end": start + duration,
                    "targets": [*targets, target],
                }
    return busy


def connected_sample(ties: Ties, most: int) -> np.ndarray:
    """Up to `most` agents, breadth-first from agents with the most ties; ascending."""
    if ties.n_agents <= most:
        return np.arange(ties.n_agents)
    is_chosen = np.zeros(ties.n_agents, dtype=bool)
    for start in np.argsort(-ties.degree_A, kind="stable"):
        level = np.array([start])[~is_chosen[start : start + 1]]
        while len(level):
            level = level[: most - int(is_chosen.sum())]
            is_chosen[level] = True
            reached = np.unique(ties.of(level).values)
            level = reached[~is_chosen[reached]]
        if is_chosen.sum() >= most:
            break
    return np.flatnonzero(is_chosen)


def _agents(
    shown: np.ndarray,
    tally: Tally,
    people: People,
    setting: Setting,
    events: pl.DataFrame,
    named: pl.DataFrame,
    busy: dict[int, dict[str, Any]],
) -> list[dict[str, Any]]:
    titles = setting.facts.items["title"].to_list()
    chosen = pl.col("agent").is_in(shown.tolist())
    stars = events.filter(chosen & (pl.col("kind") == "rated")).select("agent", "item", "value").rows()
    stars_of = {(agent, item): value for agent, item, value in stars}
    watched_of = _grouped(tally.provenance.adoptions().filter(chosen), ("step", "item", "shown_by"))
    heard_of = _grouped(named.filter(chosen), ("step", "item", "source", "other"))
    diary_of = _grouped(
        events.filter(chosen & pl.col("kind").is_in(["retrieved", "thought"])), ("step", "kind", "text")
    )
    opinions = tally.provenance.social.opinions
    opinion_of: dict[int, list[dict[str, Any]]] = {}
    for key, value in zip(opinions.key_V.tolist(), opinions.value_V.tolist(), strict=True):
        agent, item = divmod(key, opinions.n_items)
        opinion_of.setdefault(agent, []).append({"title": titles[item], "opinion": round(value, 3)})
    played_A = tally.provenance.profiles.played_A
    return [
        {
            **people.profile(agent),
            "playing": bool(played_A[agent]),
            "role": "user" if played_A[agent] else "agent",
            "event": busy.get(agent, {"type": "idle", "start": None, "duration": 0, "end": None, "targets": []}),
            "watched": [
                {
                    "round": round_,
                    "title": titles[item],
                    "by": Source(place).name.lower(),
                    "stars": stars_of.get((agent, item)),
                }
                for round_, item, place in watched_of.get(agent, [])[-_LAST:]
            ],
            "heard": [
                {
                    "round": round_,
                    "title": titles[item],
                    "source": Source(source).name.lower(),
                    "from": None if other < 0 else people.label(other),
                }
                for round_, item, source, other in heard_of.get(agent, [])[-_LAST:]
            ],
            "opinions": opinion_of.get(agent, []),
            "diary": [{"round": step, "kind": kind, "text": text} for step, kind, text in diary_of.get(agent, [])],
        }
        for agent in shown.tolist()
    ]


def _grouped(rows: pl.DataFrame, columns: tuple[str, ...]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for agent, *values in rows.select("agent", *columns).iter_rows():
        found.setdefault(agent, []).append(tuple(values))
    return found


def _graph(shown: np.ndarray, people: People, friends: Ties, busy: dict[int, dict[str, Any]]) -> dict[str, Any]:
    main = np.array([(interest.split(",")[0].strip() or "none") for interest in people.interest])
    names, cluster_A = np.unique(main, return_inverse=True)
    source_R, target_R = friends.source_R, friends.target_R
    is_shown = np.zeros(len(people), dtype=bool)
    is_shown[shown] = True
    kept = np.flatnonzero(is_shown[source_R] & is_shown[target_R])
    kept = np.sort(kept[np.argsort(-friends.closeness_R[kept], kind="stable")[:MAX_LINKS]])
    between = np.bincount(cluster_A[source_R] * len(names) + cluster_A[target_R], minlength=len(names) ** 2)
    return {
        "n_agents": len(people),
        "n_links": len(friends),
        "rule": f"at most {MAX_AGENTS:,} agents, breadth-first from the one with the most friends; at most"
        f" {MAX_LINKS:,} directed ties of them, the closest first",
        "nodes": [
            {
                "id": agent,
                "name": people.name[agent],
                "activity": busy[agent]["type"] if agent in busy else "idle",
                "size": 2 if agent in busy else 1,
                "friends": int(friends.degree_A[agent]),
                "cluster": int(cluster_A[agent]),
            }
            for agent in shown.tolist()
        ],
        "links": [
            {
                "source": int(source_R[row]),
                "target": int(target_R[row]),
                "label": friends.labels[friends.label_R[row]],
                "closeness": round(float(friends.closeness_R[row]), 3),
            }
            for row in kept.tolist()
        ],
        "clusters": [
            {"id": number, "name": name, "agents": int((cluster_A == number).sum())}
            for number, name in enumerate(names.tolist())
        ],
        "cluster_links": [
            {"source": int(pair // len(names)), "target": int(pair % len(names)), "n": int(between[pair])}
            for pair in np.flatnonzero(between)
        ],
    }


def _named(counts: list[dict[str, int]], titles: list[str]) -> list[dict[str, Any]]:
    return [{"title": titles[each["item"]], "n": each["n"]} for each in counts[:_TOP]]


def _recommender(
    config: SocietyConfig, metrics: dict[str, Any], current: pl.DataFrame, titles: list[str]
) -> dict[str, Any]:
    return {
        "users": metrics["agents"],
        "items": len(titles),
        "algorithm": config.recommender,
        "interactions": metrics["totals"]["watched"],
        "current_users": current.filter(pl.col("kind") == "entered")["agent"].n_unique(),
        "top_watched": _named(metrics["top_watched"], titles),
    }


def _social(
    tally: Tally, busy: dict[int, dict[str, Any]], metrics: dict[str, Any], titles: list[str]
) -> dict[str, Any]:
    social = tally.provenance.social
    chatting = sum(each["type"] == "chatting" for each in busy.values())
    last = tally.rounds[-1] if tally.rounds else {"links": len(social.friends) // 2, "chats": 0}
    return {
        "users": tally.n_agents,
        "links": last["links"],
        "density": social.friends.density,
        "follows": len(social.follows),
        "chats": metrics["totals"]["chats"],
        "current_users": chatting,
        "current_chats": last["chats"],
        "posts": len(social.posts),
        "top_talked": _named(metrics["top_talked"], titles),
    }


def _posts(tally: Tally, people: People, titles: list[str]) -> list[dict[str, Any]]:
    posts = tally.provenance.social.posts
    found = []
    for post in range(len(posts) - 1, max(len(posts) - 1 - _MAX_POSTS, -1), -1):
        item, opinion = int(posts.item_M[post]), float(posts.opinion_M[post])
        title = titles[item] if item >= 0 else None
        known = None if opinion != opinion else round(opinion, 3)
        found.append(
            {
                "id": post,
                "round": int(posts.step_M[post]),
                "author": people.label(int(posts.author_M[post])),
                "title": title,
                "opinion": known,
                "text": posts.text(post) or posted(title, known),
                "repost_of": None if posts.parent_M[post] < 0 else int(posts.parent_M[post]),
                "likes": int(posts.n_likes_M[post]),
                "comments": int(posts.n_comments_M[post]),
                "reposts": int(posts.n_reposts_M[post]),
                "removed": bool(posts.removed_M[post]),
            }
        )
    return found


def _schedule(config: SocietyConfig, events: pl.DataFrame) -> list[dict[str, Any]]:
    took = events.filter(pl.col("kind") == "intervened").select("slot", "step").rows()
    return [
        {**entry.model_dump(mode="json"), "took_effect": [step for slot, step in took if slot == number]}
        for number, entry in enumerate(config.schedule)
    ]


def _answers(events: pl.DataFrame) -> list[dict[str, Any]]:
    """Number of answers, failures and mean value by entry of the schedule and round; value of interviews is 1."""
    answered = events.filter(pl.col("kind").is_in(["answered", "interviewed"]))
    return (
        answered.group_by("slot", "step", maintain_order=True)
        .agg(
            pl.len().alias("n"),
            pl.col("value").null_count().alias("failed"),
            pl.col("value").mean().alias("mean"),
        )
        .rename({"slot": "entry", "step": "round"})
        .to_dicts()
    )


def _cascades(tally: Tally, people: People, titles: list[str]) -> list[dict[str, Any]]:
    trees = Forest.of(tally.provenance).table().filter(pl.col("scale") > 1).head(_MAX_CASCADES)
    return [{**tree, "title": titles[tree["item"]], "root": people.label(tree["root"])} for tree in trees.to_dicts()]
