"""The measures of a feed: against a slow count in plain Python, on the published trace, and at their borders."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.ragged import Ragged
from recgpt.simulate.agents.population import Population
from recgpt.simulate.events import SCHEMA
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.measures import MEASURES, Tally, feed_measures, stars_of, total_variation
from recgpt.simulate.worlds.feed.view import published as published_figures

N_ITEMS, WIDTH, PAGES, PAGE_SIZE = 30, 6, 4, 3
REAL = np.array([1, 2, 3, 4, 0])


piece = KINDS.piece


def assemble(step: int, pieces: list[pl.DataFrame]) -> pl.DataFrame:
    return KINDS.assemble(step, pieces, time=CLOCK.at(step))


def make_facts(n_items: int = N_ITEMS) -> ItemFacts:
    rng = np.random.default_rng(0)
    unit_NE = rng.standard_normal((n_items, WIDTH)).astype(np.float32)
    return ItemFacts(
        items=pl.DataFrame({"item_id": range(n_items), "title": [f"Film {i}" for i in range(n_items)]}),
        count_N=rng.integers(0, 20, n_items).astype(np.float32),
        mean_rating_N=np.full(n_items, 3.5, dtype=np.float32),
        unit_NE=unit_NE / np.linalg.norm(unit_NE, axis=1, keepdims=True),
        categories_NC=None,
        n_users=20,
    )


def make_population(n_agents: int, activity: Sequence[int] | None = None) -> Population:
    level_A = np.arange(n_agents) % 3 + 1
    unknown = np.full(n_agents, np.nan, dtype=np.float32)
    return Population(
        user_A=np.arange(n_agents),
        activity_A=np.array(level_A if activity is None else activity, dtype=np.int8),
        diversity_A=level_A[::-1].astype(np.int8),
        conformity_A=np.ones(n_agents, dtype=np.int8),
        n_ratings_A=unknown,
        n_genres_A=unknown,
        rating_deviation_A=unknown,
        mean_rating_A=unknown,
        histories=Ragged.from_lists([[] for _ in range(n_agents)]),
        ratings=np.empty(0, dtype=np.float32),
        taste_AE=np.zeros((n_agents, WIDTH), dtype=np.float32),
        tastes=[()] * n_agents,
        high_rating_tendency=[""] * n_agents,
        low_rating_tendency=[""] * n_agents,
        made_from="made up",
    )


def random_log(seed: int, n_agents: int) -> list[pl.DataFrame]:
    """Steps of a feed in which anything happens: empty slots, adverts, failures, leavers, silent interviews."""
    rng = np.random.default_rng(seed)
    active, steps = list(range(n_agents)), []
    for step in range(1, PAGES + 1):
        if not active:
            break
        happened: list[pl.DataFrame] = []
        staying = []

        def say(kind: str, agent: int, into: list[pl.DataFrame] = happened, **columns: Any) -> None:
            into.append(piece(kind, np.array([agent]), **{name: [value] for name, value in columns.items()}))

        for agent in active:
            items = rng.choice(N_ITEMS, PAGE_SIZE, replace=False).tolist()
            slots = np.flatnonzero(rng.random(PAGE_SIZE) < 0.9).tolist()
            for slot in slots:
                is_advert = slot == 0 and rng.random() < 0.5
                say("shown", agent, item=items[slot], slot=slot, value=1.0 if is_advert else float("nan"))
            if rng.random() < 0.1:
                say("failed", agent, text=str(rng.choice(["timeout", "refused"])))
                continue
            for slot in slots:
                if rng.random() < 0.6:
                    say("aligned", agent, item=items[slot], slot=slot)
                    if rng.random() < 0.7:
                        say("watched", agent, item=items[slot], slot=slot)
                        if rng.random() < 0.9:
                            say("rated", agent, item=items[slot], slot=slot, value=float(rng.integers(2, 11)) / 2)
            say("satisfied", agent, value=float(rng.random() < 0.5))
            chose, last = rng.random() < 0.3, step == PAGES
            if chose or last:
                say("exited", agent, value=float(step), text=None if chose else "no pages are left")
                score = float(rng.integers(1, 11)) if rng.random() < 0.9 else float("nan")
                say("interviewed", agent, value=score)
            else:
                say("turned", agent)
                staying.append(agent)
        steps.append(assemble(step, happened))
        active = staying
    return steps


def slow(steps: Sequence[pl.DataFrame], population: Population, facts: ItemFacts) -> dict[str, Any]:
    """Some of the measures, one event after another."""
    rows = [row for step in steps for row in step.to_dicts()]
    agents = range(len(population))
    failed = {row["agent"] for row in rows if row["kind"] == "failed"}

    def count(agent: int, kind: str) -> int:
        return sum(row["kind"] == kind and row["agent"] == agent for row in rows)

    def likes(agent: int) -> int:
        return sum(row["kind"] == "rated" and row["agent"] == agent and row["value"] >= 4 for row in rows)

    def mean(values: Iterator[float]) -> float | None:
        known = list(values)
        return sum(known) / len(known) if known else None

    well = [agent for agent in agents if agent not in failed and any(row["agent"] == agent for row in rows)]
    seen = [agent for agent in well if count(agent, "shown")]
    most = PAGES * PAGE_SIZE
    corrected = {
        "p_view": mean(count(agent, "watched") / count(agent, "shown") for agent in seen),
        "n_like": mean(likes(agent) for agent in well),
        "p_like": mean(likes(agent) / count(agent, "shown") for agent in seen),
        "n_exit": mean(
            len({row["step"] for row in rows if row["agent"] == agent and row["kind"] == "shown"}) for agent in well
        ),
        "s_sat": mean(
            row["value"]
            for row in rows
            if row["kind"] == "interviewed" and row["value"] is not None and row["agent"] in well
        ),
    }
    shown = Counter(row["item"] for row in rows if row["kind"] == "shown")
    lists: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        if row["kind"] == "shown":
            lists.setdefault((row["step"], row["agent"]), []).append(row["item"])
    cosines = facts.unit_NE.astype(float) @ facts.unit_NE.astype(float).T

    def diversity(items: list[int]) -> float:
        pairs = [(a, b) for place, a in enumerate(items) for b in items[place + 1 :]]
        return sum(1 - cosines[a, b] for a, b in pairs) / len(pairs) if pairs else 0.0

    gaps = sum(abs(shown[a] - shown[b]) for a in range(N_ITEMS) for b in range(N_ITEMS))
    total = sum(shown.values())
    adverts = {(row["step"], row["agent"]): row["item"] for row in rows if row["kind"] == "shown" and row["value"] == 1}

    def of_adverts(kind: str) -> int:
        return sum(row["kind"] == kind and adverts.get((row["step"], row["agent"])) == row["item"] for row in rows)

    return {
        "corrected": corrected,
        "published": {
            **corrected,
            "p_view": mean(count(agent, "watched") / most for agent in well),
            "p_like": mean(likes(agent) / most for agent in well),
        },
        "failed": len(failed),
        "failures": {
            **Counter(row["text"] for row in rows if row["kind"] == "failed"),
            **Counter("interview" for row in rows if row["kind"] == "interviewed" and row["value"] is None),
        },
        "items": {
            "exposures": total,
            "distinct": len(shown),
            "exposure_gini": gaps / (2 * N_ITEMS * total),
            "novelty_bits": sum(n * -np.log2(max(1, facts.count_N[i]) / 20) for i, n in shown.items()) / total,
            "diversity": mean(diversity(items) for items in lists.values()),
        },
        "adverts": {
            "shown": len(adverts),
            "aligned_first": of_adverts("aligned"),  # an advertisement lies in the first slot
            "aligned": of_adverts("aligned"),
            "watched": of_adverts("watched"),
        },
    }


def measured(steps: Sequence[pl.DataFrame], population: Population, facts: ItemFacts, **changes: Any) -> dict[str, Any]:
    options = {"pages": PAGES, "page_size": PAGE_SIZE, "real_ratings": REAL} | changes
    return feed_measures(iter(steps), population, facts, **options)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n_agents=st.integers(1, 12))
def test_a_slow_count_in_plain_python_agrees(seed: int, n_agents: int) -> None:
    facts, population, steps = make_facts(), make_population(n_agents), random_log(seed, n_agents)
    found, expected = measured(steps, population, facts), slow(steps, population, facts)
    for definition in ("corrected", "published"):
        for name in MEASURES:
            assert found[definition][name]["mean"] == pytest.approx(expected[definition][name], abs=1e-6)
    assert found["items"] == pytest.approx(expected["items"], abs=1e-5)
    for name in ("failed", "failures", "adverts"):
        assert found[name] == expected[name]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_pages_and_classes_say_what_their_events_say(seed: int) -> None:
    population, steps = make_population(10), random_log(seed, 10)
    found = measured(steps, population, make_facts())
    for rows, page in zip(steps, found["by_page"], strict=True):
        gone = rows.filter(pl.col("kind") == "failed")["agent"]
        decided = rows.filter(~pl.col("agent").is_in(gone.to_list()))
        n_of = Counter(decided["kind"].to_list())
        satisfied = decided.filter(pl.col("kind") == "satisfied")["value"].mean()
        by_choice = decided.filter((pl.col("kind") == "exited") & pl.col("text").is_null())
        assert page["agents"] == rows["agent"].n_unique()
        assert (page["failed"], page["left"]) == (len(gone), len(by_choice))
        expected = n_of["watched"] / n_of["shown"] if n_of["shown"] else None
        assert page["p_view"] == pytest.approx(expected, abs=1e-6)
        assert page["satisfied"] == pytest.approx(satisfied, abs=1e-6)
    for trait in ("activity", "diversity", "conformity"):
        assert sum(each["agents"] for each in found[f"by_{trait}"].values()) == 10
    everyone = found["by_conformity"]["1"]  # all are of one class
    for name in MEASURES:
        assert everyone[name] == found["corrected"][name]["mean"]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_agents_count_alone_so_that_a_run_in_two_halves_adds_up(seed: int) -> None:
    """What a tally counts of two groups of agents is the sum of what it counts of each."""
    facts, steps = make_facts(), random_log(seed, 9)
    whole, *halves = (Tally(9, N_ITEMS) for _ in range(3))
    for rows in steps:
        whole.add(rows, facts)
        halves[0].add(rows.filter(pl.col("agent") < 4), facts)
        halves[1].add(rows.filter(pl.col("agent") >= 4), facts)
    for name in ("shown_A", "watched_A", "liked_A", "pages_A", "shown_N", "watched_N", "stars", "failures"):
        assert np.all(getattr(whole, name) == getattr(halves[0], name) + getattr(halves[1], name)), name


def test_one_who_leaves_early_counts_by_what_it_was_shown() -> None:
    agents, items, slots = np.zeros(PAGE_SIZE, dtype=np.int64), np.arange(PAGE_SIZE), np.arange(PAGE_SIZE)
    one = np.array([0])
    page = assemble(
        1,
        [
            piece("shown", agents, item=items, slot=slots),
            piece("watched", agents, item=items, slot=slots),
            piece("rated", agents, item=items, slot=slots, value=np.array([5.0, 4.0, 3.0])),
            piece("exited", one, value=np.array([1.0])),
        ],
    )
    found = measured([page], make_population(1), make_facts())
    assert found["corrected"]["p_view"]["mean"] == 1.0
    assert found["published"]["p_view"]["mean"] == 1 / PAGES
    assert found["corrected"]["n_like"] == {"mean": 2.0, "low": None, "high": None}  # one agent tells no interval
    assert found["corrected"]["s_sat"]["mean"] is None
    assert found["ratings"]["shares"] == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3], abs=1e-6)
    assert found["by_page"][0]["left"] == 1


def test_an_agent_that_failed_is_in_no_mean() -> None:
    items, slots = np.array([0, 1]), np.array([0, 0])
    page = assemble(
        1,
        [
            piece("shown", np.array([0, 1]), item=items, slot=slots),
            piece("watched", np.array([0]), item=items[:1], slot=slots[:1]),
            piece("failed", np.array([1]), text=["timeout"]),
            piece("satisfied", np.array([0]), value=np.array([1.0])),
        ],
    )
    found = measured([page], make_population(2), make_facts())
    assert found["corrected"]["p_view"]["mean"] == 1.0
    assert (found["failed"], found["failures"]) == (1, {"timeout": 1})
    assert found["by_page"][0] | {"agents": 2, "p_view": 1.0, "satisfied": 1.0} == found["by_page"][0]
    assert found["items"]["exposures"] == 2  # it was shown all the same


@pytest.mark.parametrize("steps", [[], [pl.DataFrame(schema=SCHEMA)]])
def test_nothing_happened(steps: list[pl.DataFrame]) -> None:
    facts = make_facts()
    found = measured(steps, make_population(3), facts, real_ratings=np.zeros(5, dtype=np.int64))
    json.dumps(found, allow_nan=False)
    nothing = {"mean": None, "low": None, "high": None}
    assert found["corrected"] == found["published"] == dict.fromkeys(MEASURES, nothing)
    assert found["items"] == dict.fromkeys(found["items"]) | {"exposures": 0, "distinct": 0}
    assert found["ratings"] == {"shares": None, "real_shares": None, "total_variation": None}


def test_a_catalogue_that_nobody_knows_has_no_novelty() -> None:
    facts = replace(make_facts(), n_users=0, count_N=np.zeros(N_ITEMS, dtype=np.float32))
    found = measured(random_log(1, 5), make_population(5), facts)
    assert found["items"]["novelty_bits"] is None
    json.dumps(found, allow_nan=False)


def test_stars_and_their_distance() -> None:
    assert stars_of(np.array([0.5, 1, 1.5, 3.4, 3.5, 4.5, 5, np.nan])).tolist() == [2, 1, 1, 1, 2]
    assert total_variation(np.array([1, 0, 0, 0, 0]), np.array([0, 0, 0, 0, 7])) == 1
    assert total_variation(np.array([2, 2, 0, 0, 0]), np.array([1, 1, 0, 0, 0])) == 0
    assert measured(random_log(3, 8), make_population(8), make_facts())["ratings"]["real_shares"] == [
        0.1,
        0.2,
        0.3,
        0.4,
        0,
    ]


# --- the published trace ---

DROPPED = 48
"""Watches of the published log that name no film of the page; the stored trace is without them (data/README.md)."""


@pytest.fixture(scope="module")
def trace(shared: Path) -> tuple[list[pl.DataFrame], Population, int]:
    folder = shared / "data/simulate/agent4rec_ml1m"
    rows = pl.read_parquet(folder / "gpt35_trace.parquet").sort("user_id", "page", "slot")
    interviews = pl.read_parquet(folder / "gpt35_interviews.parquet")
    users = pl.read_parquet(folder / "users.parquet").sort("user_id")
    n_items = len(pl.read_parquet(folder / "items.parquet"))
    last = rows.group_by("user_id").agg(pl.col("page").max())
    steps = []
    for page in range(1, 6):
        there = rows.filter(pl.col("page") == page)
        gone = last.filter(pl.col("page") == page).join(interviews, on="user_id").sort("user_id")

        def on_items(kind: str, part: pl.DataFrame, value: str | None = None) -> pl.DataFrame:
            columns = {name: part[name].to_numpy() for name in ("item_id", "slot")}
            values = None if value is None else part[value].to_numpy()
            return piece(kind, part["user_id"].to_numpy(), item=columns["item_id"], slot=columns["slot"], value=values)

        steps.append(
            assemble(
                page,
                [
                    on_items("shown", there),
                    on_items("watched", there.filter("watched")),
                    on_items("rated", there.filter(pl.col("rating").is_not_null()), "rating"),
                    piece("exited", gone["user_id"].to_numpy(), value=gone["page"].to_numpy()),
                    piece("interviewed", gone["user_id"].to_numpy(), value=gone["satisfaction"].to_numpy()),
                ],
            )
        )
    return steps, make_population(len(users), users["activity"].to_list()), n_items


def test_the_published_trace_gives_the_published_figures(trace: tuple[list[pl.DataFrame], Population, int]) -> None:
    """.493, 6.00, .453, 3.23, 3.95: means over agents, with the 48 watches that the stored trace is without.

    An agent that watched one film more gains 1 / (what it was shown) in p_view, which is 1/20 to 1/4. A ratio of sums
    over all agents would have .5034 instead of .493, so the published mean is one over agents.
    """
    steps, population, n_items = trace
    published = published_figures()["trace"]
    found = measured(steps, population, make_facts(n_items), pages=5, page_size=4)
    of = {name: found["corrected"][name]["mean"] for name in MEASURES}
    assert of == pytest.approx(
        {"p_view": 0.489492, "n_like": 5.959, "p_like": 0.449763, "n_exit": 3.234, "s_sat": 3.945}, abs=1e-6
    )
    assert of["n_exit"] == pytest.approx(published["corrected"]["n_exit"], abs=0.005)
    assert of["s_sat"] == pytest.approx(published["corrected"]["s_sat"], abs=0.00501)
    per_agent, rounding = DROPPED / 1000, 0.0005
    for name in ("p_view", "p_like"):
        gained = published["corrected"][name] - of[name]
        assert per_agent / 20 - rounding <= gained <= per_agent / 4 + rounding
        assert gained == pytest.approx(per_agent / (found["items"]["exposures"] / 1000), abs=rounding)
    assert 0 <= published["corrected"]["n_like"] - of["n_like"] <= per_agent
    assert (6464 + DROPPED) / found["items"]["exposures"] == pytest.approx(0.5034, abs=5e-5)


def test_the_published_rule_divides_by_pages_that_were_never_seen(
    trace: tuple[list[pl.DataFrame], Population, int],
) -> None:
    steps, population, n_items = trace
    found = measured(steps, population, make_facts(n_items), pages=5, page_size=4)["published"]
    assert found["p_view"]["mean"] == pytest.approx(6464 / 20_000)
    assert found["p_like"]["mean"] == pytest.approx(5959 / 20_000)


def test_the_published_trace_by_activity_and_stars(trace: tuple[list[pl.DataFrame], Population, int]) -> None:
    steps, population, n_items = trace
    published = published_figures()["trace"]
    tally, facts = Tally(len(population), n_items), make_facts(n_items)
    for rows in steps:
        tally.add(rows, facts)
    assert tally.stars.tolist() == published["stars"]
    found = measured(steps, population, facts, pages=5, page_size=4)["by_activity"]
    for level, of in published["by_activity"].items():
        assert found[level]["n_exit"] == pytest.approx(of["n_exit"], abs=0.005)
        assert found[level]["s_sat"] == pytest.approx(of["s_sat"], abs=0.005)
        assert -0.05 <= of["views"] - found[level]["views"] <= 0.2  # those dropped
