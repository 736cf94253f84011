"""The mind `replay`: the same events without the mind that made them, and refusals of other pages."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import SimulationError
from recgpt.recommenders import make
from recgpt.simulate.events import chained_hash
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.minds.replay import ReplayMind
from recgpt.simulate.worlds.society.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.society.schedule import Broadcast, Interview, SeededPost, Survey
from recgpt.simulate.worlds.society.world import Society
from tests.simulate.worlds.society.small_society import setting

ROUNDS = 6
SCHEDULE = (
    SeededPost(round=1, item=3, agents=(0, 1)),
    Broadcast(round=2, text="All talk of it.", item=2, opinion=0.5),
    Survey(round=1, every=2, question="How good?", item=2),
    Interview(round=2, question="What now?", agents=(4, 5)),
)


class Failing(ScriptedMind):
    """Fails for some agents at every kind of decision."""

    def _failing(self, decided, moment, k):
        return dataclasses.replace(
            decided, failed_R=(moment.agent_R + k + moment.step) % 7 == 0, reasons=["invalid: no"] * len(moment)
        )

    def choose(self, moment):
        return self._failing(super().choose(moment), moment, 0)

    def browse(self, pages):
        return self._failing(super().browse(pages), pages, 1)

    def react(self, company):
        return self._failing(super().react(company), company, 2)

    def socialise(self, company):
        return self._failing(super().socialise(company), company, 3)

    def talk(self, pairs):
        said, failed_R = super().talk(pairs), (pairs.agent_R + pairs.step) % 5 == 0
        return dataclasses.replace(said, failed_R=failed_R, reasons=["invalid: no"] * len(pairs))


@pytest.fixture(scope="module")
def made():
    drawn = setting(60, 60)
    drawn.people.feature_A[:] = np.random.default_rng(5).integers(1, 32, 60)
    rng = np.random.default_rng(0)
    pairs = pl.DataFrame({"user_id": rng.integers(0, 60, 400), "item_id": rng.integers(0, 60, 400)})
    items = drawn.facts.items.with_columns(item_id=pl.int_range(pl.len()))
    return dataclasses.replace(drawn, known=Dataset.from_frames("made", pairs.with_row_index("position"), items))


def played(mind, made, seed=1):
    rules = SocietyRules(rounds=ROUNDS, interval="2h", memory="none")
    society = Society(rules, made, make("popularity").fit(made.known), mind, schedule=SCHEDULE, seed=seed)
    frames = []
    while not society.over:
        frames.append(society.play())
        society.apply(frames[-1])
    return pl.concat(frames)


def hash_of(events):
    value = ""
    for rows in events.partition_by("step", maintain_order=True):
        value = chained_hash(value, rows)
    return value


@pytest.mark.parametrize("kind", [ScriptedMind, Failing])
def test_a_replayed_run_has_the_hash_of_the_record(made, kind):
    events = played(kind(made, SocietyRules(), seed=1), made)
    expected = {"watched", "searched", "said", "posted", "missed", "opined", "answered", "interviewed", "liked"}
    assert expected <= set(events["kind"])
    assert hash_of(played(ReplayMind(events), made)) == hash_of(events)


def test_other_pages_are_refused(made):
    events = played(ScriptedMind(made, SocietyRules(), seed=1), made)
    shown = (pl.col("kind") == "shown") & (pl.col("slot") == 0)
    other = events.with_columns(pl.when(shown).then(pl.col("item") + 1).otherwise("item").alias("item"))
    with pytest.raises(SimulationError, match="has another page than in the record"):
        played(ReplayMind(other), made)
    with pytest.raises(SimulationError, match="the record ends before round 3"):
        played(ReplayMind(events.filter(pl.col("step") < 3)), made)
