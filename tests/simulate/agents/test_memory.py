"""Memory: the published rules by their worked values, and everything against a plain-Python reference."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import SimulationError
from recgpt.simulate import rng
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory, Preset
from recgpt.simulate.agents.memory_presets import (
    Stages,
    emotion_of_ratings,
    emotional_score,
    forgetting_strength,
    sigmoid,
)

# Cosines with the first: 1, .995, .914, 0, 0, 0; of the fourth with the fifth: .979.
VECTORS = np.array([[1, 0, 0], [0.99, 0.1, 0], [0.9, 0.4, 0], [0, 1, 0], [0, 0.97, 0.2], [0, 0, 1]], dtype=np.float32)
NAMES = [f"text {number}" for number in range(len(VECTORS))]


def memory_of(preset: str, n_agents: int = 1, capacity: int = 20, **options) -> Memory:
    memory = Memory(n_agents, capacity, PRESETS[preset], width=3, **options)
    memory.texts.ids_of(NAMES, VECTORS)
    return memory


def recall(memory: Memory, vector, k: int = 5, now: float = 0.0):
    return memory.retrieve(np.array([0]), np.array([vector], dtype=np.float32), k, now)


def add(memory: Memory, text: int, *, agent: int = 0, kind=Kind.EVENT, created=0.0, importance=5.0, **more):
    return memory.add(np.array([agent]), kind, np.array([text]), created=created, importance=importance, **more)


# --- worked values ---


def test_emotional_score_has_the_published_value():
    assert emotional_score(np.array(0.8), np.array(3), np.array(1), np.array(1), 0.1) == pytest.approx(0.6631, abs=5e-5)


def test_emosim_weighs_age_and_emotion_against_the_latest_by_time():
    memory = memory_of("emosim_arousal")
    memory.texts.ids_of(["four fifths"], np.array([[0.8, 0.6, 0]]))
    add(memory, 5, created=3, valence=1, arousal=1)  # the latest, though it was added first
    add(memory, len(NAMES), created=0, valence=1, arousal=1)
    add(memory, len(NAMES), created=0, valence=-1, arousal=0)
    found = recall(memory, [1, 0, 0], k=2)
    assert found.ids_Ak.tolist() == [[1, 2]]
    assert found.scores_Ak[0] == pytest.approx([0.6631, 0.8 * math.exp(-0.45)], abs=3e-4)


def test_emotions_of_ratings_on_the_published_scale_and_in_proportion_on_others():
    valence, arousal = emotion_of_ratings(np.arange(1, 11), 1, 10)
    assert valence.tolist() == [-1, -1, -1, -1, 0, 0, 1, 1, 1, 1]
    assert arousal.tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1]
    valence, arousal = emotion_of_ratings(np.arange(1, 6), 1, 5)
    assert valence.tolist() == [-1, -1, 0, 1, 1]
    assert arousal.tolist() == [0, 0.5, 0.5, 0.5, 1]


def test_forgetting_strength():
    recency = 0.99 ** np.array([0, 48, 1000])
    strength = forgetting_strength(recency, np.array(0.63), Stages())
    assert strength == pytest.approx(
        [0.815, 0.61729**1.5 * (0.63 + 0.61729) / 2, 0.01 * (0.63 + 4.317e-5) / 2], rel=1e-4
    )


def test_sensory_memory_keeps_from_seven_of_ten_and_every_thought():
    memory = memory_of("recagent")
    kept = [add(memory, 0, importance=points).ids_R[0] >= 0 for points in (6, 7)]
    assert kept == [False, True]
    assert add(memory, 3, kind=Kind.THOUGHT, importance=1).ids_R[0] >= 0
    assert [entry.stage for entry in memory.describe(0)] == ["short", "long"]


def test_three_similar_observations_promote_a_memory_and_unlike_ones_do_not():
    assert sigmoid(np.log(0.7 / 0.3)) == pytest.approx(0.7)  # so cosines from .8473
    memory = memory_of("recagent", capacity=30)
    first = int(add(memory, 0, importance=8).ids_R[0])
    for text in (3, 5, 3, 5):  # cosine 0: sigmoid .5
        assert not len(add(memory, text, importance=7).promoted)
    said, promoted = 0, []
    while [0, first] not in promoted and said < 20:  # each enhances with probability sigmoid(.914) = .71 only
        promoted += add(memory, 2, importance=7).promoted.tolist()
        said += 1
    assert 3 <= said < 20
    assert memory.entries.accumulated_A[0] >= 0.09 * 8
    assert memory.describe(0)[0].stage == "long"
    assert first in recall(memory, [1, 0, 0]).ids_Ak


def test_short_term_memory_drops_the_least_important():
    rows = np.eye(12, dtype=np.float32)
    memory = Memory(1, 30, PRESETS["recagent"], width=12)
    memory.texts.ids_of([f"axis {number}" for number in range(12)], rows)
    for text, importance in enumerate([9, 8, 7, 8, 9, 7, 9, 9, 9, 9, 9, 8]):
        add(memory, text, importance=importance)
    assert [entry.id for entry in memory.describe(0)] == [0, 1, 3, 4, 6, 7, 8, 9, 10, 11]


def test_near_duplicates_in_long_term_memory_become_one():
    memory = memory_of("recagent")
    add(memory, 0, kind=Kind.THOUGHT, importance=3)
    assert add(memory, 2, kind=Kind.THOUGHT, importance=4).ids_R.tolist() == [1]  # .914: sigmoid .714
    assert add(memory, 1, kind=Kind.THOUGHT, importance=9, created=5).ids_R.tolist() == [-1]  # .995: sigmoid .730
    first, second = memory.describe(0)
    assert (first.importance, first.last_accessed, second.importance) == (9, 5, 4)


def test_recagent_sums_recency_importance_and_relevance_and_reading_renews():
    memory = memory_of("recagent")
    add(memory, 0, kind=Kind.THOUGHT, importance=4)
    add(memory, 3, kind=Kind.THOUGHT, importance=8)
    found = recall(memory, [1, 0, 0], now=100)
    old = 0.99**100
    assert found.scores_Ak[0, :2] == pytest.approx([old + 0.36 + 1, old + 0.72 + 0], abs=1e-3)
    assert np.isnan(found.scores_Ak[0, 2:]).all() and (found.slots_Ak[0, 2:] == -1).all()
    memory.touch(np.array([0, 0]), found.ids_Ak[0, :2], 100)
    assert recall(memory, [1, 0, 0], now=100).recency_Ak[0, 0] == 1


@pytest.mark.parametrize(
    ("name", "expected"), [("generative_agents", [2.0, 1.0]), ("generative_agents_code", [5.0, 0.5])]
)
def test_generative_agents_scale_each_part_over_the_memories(name, expected):
    memory = memory_of(name)
    add(memory, 0, importance=9, created=0)
    add(memory, 3, importance=3, created=10)  # newer, less important, not relevant
    found = recall(memory, [1, 0, 0], now=10)
    assert found.scores_Ak[0, :2] == pytest.approx(expected)
    assert found.recency_Ak[0, :2] == pytest.approx([0.995**10, 1])


def test_one_memory_scales_to_the_middle():
    memory = memory_of("generative_agents")
    add(memory, 0)
    assert recall(memory, [1, 0, 0]).scores_Ak[0, 0] == pytest.approx(1.5)


def test_agent4rec_goes_by_relevance_alone_and_reflects_every_four_entries():
    memory = memory_of("agent4rec")
    due = []
    for text, importance in ((3, 10), (0, 1), (2, 5), (3, 10)):
        add(memory, text, importance=importance)
        due.append(bool(memory.due_A()[0]))
    assert due == [False, False, False, True]
    assert recall(memory, [1, 0, 0], now=1000).ids_Ak[0, :4].tolist() == [1, 2, 0, 3]


def test_ours_leaves_out_what_has_nothing_to_do_with_the_query():
    memory = memory_of("recgpt")
    add(memory, 3, importance=10, created=9)
    add(memory, 2, importance=1, created=0)
    found = recall(memory, [1, 0, 0], now=10)
    assert found.ids_Ak[0, :2].tolist() == [1, 0]
    assert found.scores_Ak[0, :2] == pytest.approx([0.914 * 0.995**10 * 0.55, 0], abs=1e-3)
    assert memory.describe(0)[1].last_accessed == 0  # reading leaves no trace


def test_reflection_is_due_at_150_points_and_thoughts_do_not_count():
    memory = memory_of("generative_agents", capacity=50)
    memory.add(np.zeros(14, dtype=int), Kind.EVENT, np.zeros(14, dtype=int), created=0, importance=10)
    add(memory, 0, kind=Kind.THOUGHT, importance=10)
    assert memory.entries.accumulated_A[0] == 140 and not memory.due_A()[0]
    add(memory, 0, importance=10)
    assert memory.due_A()[0]
    add(memory, 0, importance=10)
    memory.reflected(np.array([0]), keeps_excess=True)
    assert memory.entries.accumulated_A[0] == 10 and not memory.due_A()[0]
    memory.reflected(np.array([0]))
    assert memory.entries.accumulated_A[0] == 0


# --- against a reference ---


@dataclass
class Reference:
    """The same rules for one agent, entry by entry."""

    preset: Preset
    capacity: int
    seed: int
    agent: int
    rows: np.ndarray
    slots: dict[int, dict] = field(default_factory=dict)
    next_id: int = 0

    def cosine(self, first, second) -> float:
        return min(1.0, max(-1.0, float(np.dot(first.astype(np.float64), second.astype(np.float64)))))

    def strength(self, entry, now) -> float:
        recency = self.preset.decay ** max(now - entry["accessed"], 0)
        importance = entry["importance"] * self.preset.importance_scale
        if self.preset.stages:
            return max(recency**1.5, 0.01) * (importance + recency) / 2
        return recency * (0.5 + importance / 2)

    def room(self, now) -> int:
        for slot in range(self.capacity):
            if slot not in self.slots:
                return slot
        if self.preset.overflow == "oldest":
            return min(self.slots, key=lambda slot: self.slots[slot]["id"])
        long = [slot for slot in self.slots if self.slots[slot]["stage"] == "long"]
        return min(long, key=lambda slot: (self.strength(self.slots[slot], now), self.slots[slot]["id"]))

    def write(self, entry, stage) -> int:
        slot = self.room(entry["created"])
        self.slots[slot] = {**entry, "id": self.next_id, "stage": stage, "accessed": entry["created"], "enhanced": 0}
        self.next_id += 1
        return slot

    def of_stage(self, stage):
        return sorted((s for s in self.slots if self.slots[s]["stage"] == stage), key=lambda s: self.slots[s]["id"])

    def enter_long(self, slot, now):
        new = self.slots[slot]
        cosine = {
            s: self.cosine(self.rows[self.slots[s]["text"]], self.rows[new["text"]]) for s in self.of_stage("long")
        }
        alike = [s for s in cosine if s != slot and 1 / (1 + math.exp(-cosine[s])) >= 0.72]
        if alike:
            kept = self.slots[max(alike, key=lambda s: (cosine[s], -self.slots[s]["id"]))]
            kept["importance"], kept["accessed"] = max(kept["importance"], new["importance"]), now
            del self.slots[slot]

    def add(self, entry) -> None:
        if not self.preset.stages:
            self.write(entry, "long")
        elif entry["kind"] == Kind.THOUGHT:
            self.enter_long(self.write(entry, "long"), entry["created"])
        elif entry["importance"] / 10 * 0.9 > 0.62:
            key = np.array([self.agent * 2**32 + self.next_id])
            drawn = rng.uniform(self.seed, key, step=0, purpose="enhance", n=self.capacity)[0]
            for slot in self.of_stage("short"):
                there = self.slots[slot]
                likely = 1 / (1 + math.exp(-self.cosine(self.rows[there["text"]], self.rows[entry["text"]])))
                there["enhanced"] += likely >= 0.7 and drawn[slot] <= likely
            for slot in self.of_stage("short"):
                if self.slots[slot]["enhanced"] >= 3:
                    self.slots[slot]["stage"] = "long"
                    self.enter_long(slot, entry["created"])
            short = self.of_stage("short")
            if len(short) >= 10:
                worth = {
                    s: (self.slots[s]["importance"], self.slots[s]["enhanced"], self.slots[s]["id"]) for s in short
                }
                del self.slots[min(short, key=worth.__getitem__)]
            self.write(entry, "short")

    def scores(self, query, now):
        entries = [self.slots[slot] for slot in self.of_stage("long")]
        relevance = [self.cosine(self.rows[entry["text"]], query) for entry in entries]
        recency = [self.preset.decay ** max(now - entry["accessed"], 0) for entry in entries]
        importance = [entry["importance"] * self.preset.importance_scale for entry in entries]
        if self.preset.score == "scaled sum":
            relevance, recency, importance = map(self.scaled, (relevance, recency, importance))
        scores = []
        for entry, fits, fresh, weighty in zip(entries, relevance, recency, importance, strict=True):
            if self.preset.score == "relevance":
                score = fits
            elif self.preset.score == "product":
                score = max(fits, 0) * fresh * (0.5 + weighty / 2)
            elif self.preset.score == "emotional":
                last = max(entries, key=lambda each: (each["created"], each["id"]))
                alike = 1 - abs(entry["valence"] - last["valence"]) / 2
                aroused = 1 - abs(entry["arousal"] - last["arousal"])
                age = last["created"] - entry["created"]
                score = fits * math.exp(-0.15 * age) * (1 + 0.2 * alike + self.preset.arousal_weight * aroused)
            else:
                w = self.preset.weights
                score = w[0] * fresh + w[1] * fits + w[2] * weighty
            scores.append(score)
        return {entry["id"]: score for entry, score in zip(entries, scores, strict=True)}

    def touch(self, ids, now) -> None:
        for entry in self.slots.values():
            if self.preset.reading_renews and entry["id"] in ids:
                entry["accessed"] = now

    @staticmethod
    def scaled(values):
        low, high = min(values, default=0), max(values, default=0)
        return [0.5 if low == high else (value - low) / (high - low) for value in values]


OBSERVATIONS = st.lists(
    st.tuples(
        st.integers(0, 2),  # agent
        st.sampled_from([Kind.EVENT, Kind.EVENT, Kind.EVENT, Kind.THOUGHT]),
        st.integers(0, len(VECTORS) - 1),
        st.sampled_from([2, 7, 8, 10]),  # importance
        st.sampled_from([-1, 0, 0.5, 1]),  # valence
    ),
    max_size=25,
)


# `recagent_code` is compared with the published code itself, in test_recagent_memory.py.
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "recagent_code"])
@given(batches=st.lists(OBSERVATIONS, max_size=3), query=st.integers(0, len(VECTORS) - 1), seed=st.integers(0, 3))
def test_memory_agrees_with_the_reference(name, batches, query, seed):
    capacity = 12 if PRESETS[name].stages else 7
    memory = memory_of(name, n_agents=3, capacity=capacity, seed=seed)
    references = [Reference(PRESETS[name], capacity, seed, agent, memory.texts.embeddings) for agent in range(3)]
    for number, batch in enumerate(batches):
        columns = np.array(batch, dtype=float).reshape(-1, 5).T
        (agent, kind, text), (importance, valence) = columns[:3].astype(int), columns[3:]
        created = 7.0 * number + np.arange(len(batch)) % 3
        memory.add(agent, kind, text, created=created, importance=importance, valence=valence, arousal=np.abs(valence))
        for row, (a, k, t, i, v) in enumerate(batch):
            entry = dict(kind=k, text=t, importance=i, valence=v, arousal=abs(v), created=float(created[row]))  # noqa: C408
            references[a].add(entry)
        queries = np.repeat(memory.texts.embeddings[[query]], 3, axis=0)
        found = memory.retrieve(np.arange(3), queries, 4, now=7.0 * number + 5)
        for reference, ids, scores in zip(references, found.ids_Ak, found.scores_Ak, strict=True):
            expected = reference.scores(queries[0], 7.0 * number + 5)
            best = sorted(expected.values(), reverse=True)[:4]
            assert scores[ids >= 0] == pytest.approx(best, abs=1e-9)
            # Which of two entries a rounding apart comes first is left open.
            assert [expected[each] for each in ids[ids >= 0]] == pytest.approx(best, abs=1e-9)
            reference.touch(ids, 7.0 * number + 5)
            memory.touch(np.full(4, reference.agent), ids, 7.0 * number + 5)
    for reference in references:
        there = sorted(reference.slots.values(), key=lambda entry: entry["id"])
        entries = memory.describe(reference.agent)
        assert len(entries) <= capacity
        assert [(e.id, e.text, e.stage, e.importance, e.last_accessed) for e in entries] == [
            (e["id"], NAMES[e["text"]], e["stage"], e["importance"], e["accessed"]) for e in there
        ]


@pytest.mark.parametrize("name", PRESETS)
def test_nothing_depends_on_who_else_is_in_the_call(name):
    generator = np.random.default_rng(0)
    n_agents, n_texts, width, n_rows = 300, 60, 48, 6000
    vectors = generator.standard_normal((6, width))[generator.integers(0, 6, n_texts)]
    vectors = vectors + 0.2 * generator.standard_normal((n_texts, width))
    agents, texts = generator.integers(0, n_agents, n_rows), generator.integers(0, n_texts, n_rows)
    columns = {"created": np.arange(n_rows) / 100, "importance": generator.integers(5, 11, n_rows)}
    kinds = generator.choice([Kind.EVENT, Kind.THOUGHT], n_rows)
    queries = generator.standard_normal((n_agents, width)).astype(np.float32)
    together, apart = (Memory(n_agents, 14, PRESETS[name], width=width, seed=5) for _ in range(2))
    for memory in (together, apart):
        memory.texts.ids_of([f"{number}" for number in range(n_texts)], vectors)
    together.add(agents, kinds, texts, **columns)
    for agent in generator.permutation(n_agents):
        rows = agents == agent
        apart.add(agents[rows], kinds[rows], texts[rows], **{name: column[rows] for name, column in columns.items()})
    everyone = np.arange(n_agents)
    lost = together.forget(everyone, 100.0)
    found = together.retrieve(everyone, queries, 5, 101.0)
    for agent in generator.permutation(n_agents):
        assert apart.forget(np.array([agent]), 100.0) == lost[agent]
        alone = apart.retrieve(np.array([agent]), queries[[agent]], 5, 101.0)
        for of_all, of_one in zip(found, alone, strict=True):
            np.testing.assert_array_equal(of_all[agent], of_one[0])
    for agent in range(n_agents):
        assert together.describe(agent) == apart.describe(agent)
    np.testing.assert_array_equal(together.entries.accumulated_A, apart.entries.accumulated_A)


# --- forgetting, room, reading ---


def test_recagent_forgets_the_weak_and_nothing_younger_than_a_day():
    n_agents = 2000
    memory = memory_of("recagent", n_agents=n_agents)
    everyone = np.arange(n_agents)
    for text, importance, created in ((0, 1, 0), (3, 10, 0), (5, 1, 90)):
        memory.add(everyone, Kind.THOUGHT, np.full(n_agents, text), created=created, importance=importance)
    weakness = [
        1 - forgetting_strength(0.99**hours, points * 0.09, Stages())
        for hours, points in ((100, 1), (100, 10), (10, 1))
    ]
    lost = memory.forget(everyone, now=100.0)
    assert lost.mean() == pytest.approx(0.1 * (weakness[0] + weakness[1]), abs=0.02)
    assert (memory.entries.id_AC == 2).sum() == n_agents
    assert (memory.entries.id_AC == 0).sum() < (memory.entries.id_AC == 1).sum()
    assert not memory_of("recgpt").forget(np.array([0]), 1000).any()


def test_a_full_memory_gives_up_the_oldest_or_the_weakest():
    for name, left in (("agent4rec", [1, 2, 3]), ("recgpt", [0, 2, 3])):
        memory = memory_of(name, capacity=3)
        for importance in (10, 1, 5, 5):
            add(memory, 0, importance=importance)
        assert [entry.id for entry in memory.describe(0)] == left


def test_retrieve_of_equal_scores_takes_the_oldest():
    memory = memory_of("generative_agents")
    for _ in range(3):
        add(memory, 0)
    assert recall(memory, [1, 0, 0], k=2, now=8.0).ids_Ak.tolist() == [[0, 1]]


def test_touch_renews_only_where_the_preset_says_so():
    for name, accessed in (("generative_agents", [8, 0, 8]), ("recgpt", [0, 0, 0])):
        memory = memory_of(name)
        for _ in range(3):
            add(memory, 0)
        memory.touch(np.array([0, 0, 0]), np.array([0, 2, 99]), 8.0)
        assert [entry.last_accessed for entry in memory.describe(0)] == accessed


def test_after_reading_is_as_touched_and_leaves_the_memory_alone():
    memory = memory_of("generative_agents")
    add(memory, 0)
    before = memory.to_arrays()
    read = memory.after_reading(np.array([0]), np.array([0]), 8.0)
    assert recall(read, [1, 0, 0], now=9.0).recency_Ak[0, 0] == 0.995
    assert_equal_arrays(memory.to_arrays(), before)


def test_entries_come_back_as_they_were_added():
    memory = Memory(2, 3, PRESETS["recgpt"], width=8)
    memory.add(np.array([1]), Kind.FEELING, ["I was moved."], created=2.5, importance=6, valence=0.5, arousal=1, item=7)
    (entry,) = memory.describe(1)
    assert entry == (0, "feeling", "long", "I was moved.", 7, 0.5, 1.0, 6.0, 2.5, 2.5, -1, 0, (), None)
    assert memory.describe(0) == [] and memory.counts().tolist() == [0, 1]
    nothing = memory.retrieve(np.array([0]), np.ones((1, 8)), 5, 3)
    assert (nothing.ids_Ak == -1).all() and np.isnan(nothing.scores_Ak).all()


def test_a_hundred_thousand_agents_fit_in_a_few_hundred_megabytes():
    bytes_each = Memory(1000, 50, PRESETS["recgpt"]).nbytes / 1000
    assert bytes_each * 100_000 < 250e6


# --- evidence, depth, triples, other agents ---


def test_depth_of_thoughts_is_as_published_by_generative_agents():
    """The cases of the published code: evidence missing, forgotten, of events, of thoughts."""
    memory = memory_of("generative_agents")
    for _ in range(4):
        add(memory, 0)
    evidence = [[], [0], [0, 1], [5], [6, 0]]
    for ids in evidence:
        add(memory, 3, kind=Kind.THOUGHT, evidence=[ids])
    entries = memory.describe(0)
    assert [entry.depth for entry in entries] == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert [list(entry.evidence) for entry in entries[4:]] == evidence


def test_thoughts_from_before_the_first_evidence_have_depth_1():
    memory = memory_of("recgpt")
    add(memory, 0, kind=Kind.THOUGHT)
    assert memory.describe(0)[0].depth == 1
    add(memory, 3, kind=Kind.THOUGHT, evidence=[[0]])
    assert [entry.depth for entry in memory.describe(0)] == [1, 2]


def test_forgotten_evidence_stays_listed_and_adds_no_depth():
    memory = memory_of("agent4rec", capacity=2)
    add(memory, 0, kind=Kind.THOUGHT)
    add(memory, 3)
    add(memory, 3)  # in place of the thought
    add(memory, 0, kind=Kind.THOUGHT, evidence=[[0]])
    assert memory.describe(0)[-1][-3:] == (1, (0,), None)


def test_entries_hold_triples_and_other_agents_and_lose_them_with_the_slot():
    memory = memory_of("agent4rec", n_agents=3, capacity=2)
    added = dict(created=0, importance=5, triples=[("bed", "is", "used"), ("Ann", "sees", "bed")])  # noqa: C408
    memory.add(np.array([0, 2]), Kind.EVENT, np.array([0, 1]), other=np.array([-1, 0]), **added)
    (first,), (second,) = memory.describe(0), memory.describe(2)
    assert (first.other, first.triple) == (-1, ("bed", "is", "used"))
    assert (second.other, second.triple) == (0, ("Ann", "sees", "bed"))
    for _ in range(2):
        add(memory, 0, agent=2)
    assert [(entry.other, entry.triple) for entry in memory.describe(2)] == [(-1, None)] * 2


@pytest.mark.parametrize("name", ["recgpt", "recagent"])
def test_columns_that_are_not_used_take_no_space(name):
    memory = memory_of(name)
    before = memory.nbytes
    add(memory, 0, importance=9, other=-1, evidence=[[]])
    assert memory.nbytes == before


# --- retrieve changes nothing; snapshots ---


def assert_equal_arrays(first, second):
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name, strict=True)


def filled(name, seed, *, with_links=True):
    """A memory of three agents with entries of every kind."""
    generator = np.random.default_rng(seed)
    memory = memory_of(name, n_agents=3, capacity=12, seed=seed)
    for step in range(int(generator.integers(0, 5))):
        n = int(generator.integers(0, 8))
        agents = generator.integers(0, 3, n)
        links = {}
        if with_links and generator.random() < 0.7:
            known = memory.entries.next_id_A[agents]
            links["evidence"] = [list(range(min(int(number), int(generator.integers(0, 4))))) for number in known]
            links["triples"] = [(f"agent {agent}", "says", "ä \U0001f600") for agent in agents]
            links["other"] = generator.integers(-1, 3, n)
        memory.add(
            agents,
            generator.integers(0, 4, n),
            generator.integers(0, len(NAMES), n),
            created=step + generator.random(n),
            importance=generator.integers(1, 11, n),
            valence=generator.uniform(-1, 1, n),
            **links,
        )
    return memory


@pytest.mark.parametrize("name", PRESETS)
@given(seed=st.integers(0, 1000))
def test_retrieve_changes_no_array(name, seed):
    memory = filled(name, seed)
    before = memory.to_arrays()
    for now in (5.0, 50.0):
        memory.retrieve(np.array([0, 2, 0]), np.random.default_rng(seed).standard_normal((3, 3)), 4, now)
    memory.describe(1)
    assert_equal_arrays(memory.to_arrays(), before)


@pytest.mark.parametrize("name", PRESETS)
@given(seed=st.integers(0, 1000))
def test_a_memory_from_arrays_goes_on_as_the_one_it_was_made_from(name, seed):
    memory = filled(name, seed)
    arrays = memory.to_arrays()
    twin = Memory.from_arrays(arrays, memory.preset, seed=memory.seed)
    assert_equal_arrays(twin.to_arrays(), arrays)
    kept = {name: array.copy() for name, array in arrays.items()}
    for each in (memory, twin):
        each.add(np.array([0, 1, 1]), Kind.EVENT, ["new", "text 0", "new"], created=9, importance=9, evidence=[[]] * 3)
        each.forget(np.arange(3), 60.0)
    for agent in range(3):
        assert memory.describe(agent) == twin.describe(agent)
    assert_equal_arrays(arrays, kept)


def test_arrays_that_are_no_memory_are_refused():
    arrays = memory_of("recgpt").to_arrays()
    del arrays["texts_bytes"], arrays["id_AC"]
    with pytest.raises(SimulationError, match="lack id_AC, texts_bytes"):
        Memory.from_arrays(arrays, PRESETS["recgpt"])


# --- what there cannot be ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Memory(0, 5, PRESETS["recgpt"]), "n_agents=0"),
        (lambda: Memory(1, 10, PRESETS["recagent"]), "capacity=10.*at least 11"),
        (lambda: add(memory_of("recgpt"), 0, agent=3), "agent 3: .* 0 to 0"),
        (lambda: add(memory_of("recgpt"), 0, agent=-1), "agent -1"),
        (lambda: add(memory_of("recgpt"), 99), "text 99"),
        (lambda: add(memory_of("recgpt"), 0, importance=0), "importance 0"),
        (lambda: add(memory_of("recgpt"), 0, importance=np.nan), "importance nan"),
        (lambda: add(memory_of("recgpt"), 0, valence=2), "valence 2"),
        (lambda: add(memory_of("recgpt"), 0, evidence=[[0]]), "evidence 0: agent 0 never"),
        (lambda: add(memory_of("recgpt"), 0, evidence=[[0] * 33]), "evidence of 33 ids"),
        (lambda: add(memory_of("recgpt"), 0, evidence=[[0], [0]]), "evidence for 2 of 1 rows"),
        (lambda: add(memory_of("recgpt"), 0, other=1), "other 1"),
        (lambda: recall(memory_of("recgpt"), [1, 0]), "queries of shape"),
        (lambda: recall(memory_of("recgpt"), [1, 0, 0], k=0), "k=0"),
        (lambda: memory_of("recgpt").entry(0, 0), "no memory at slot 0"),
        (lambda: memory_of("recgpt").texts.ids_of(["x"], np.ones((1, 4))), "embeddings"),
    ],
)
def test_impossible_requests_say_what_is_wrong(call, message):
    with pytest.raises(SimulationError, match=message):
        call()


def test_a_preset_of_ones_own():
    mine = replace(PRESETS["recagent"], name="mine", stages=replace(Stages(), short_capacity=2))
    memory = Memory(1, 3, mine, width=3)
    memory.texts.ids_of(NAMES, VECTORS)
    for text in (0, 3, 5):
        add(memory, text, importance=8)
    assert [entry.id for entry in memory.describe(0)] == [1, 2]
