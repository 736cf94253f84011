"""RecAgent's memory as published, against values of the published code (`../shared/fixtures/recagent`)."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from recgpt.simulate.agents.memory import PRESETS, Kind, Memory, Stage
from recgpt.simulate.agents.memory_presets import Stages, distance_relevance, forgetting_strength, sigmoid
from recgpt.simulate.agents.recagent import RecAgentMemory

PRESET = PRESETS["recagent_code"]


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/recagent/golden.json").read_text())


class GivenDraws:
    """Hands out given numbers, in the order of entries, wherever one is needed."""

    def __init__(self):
        self.left = []

    def __call__(self, purpose, keys_R, needed_RC, id_RC):
        drawn_RC = np.ones(needed_RC.shape)
        for row in range(len(needed_RC)):
            for slot in np.argsort(id_RC[row], kind="stable"):
                if needed_RC[row, slot]:
                    drawn_RC[row, slot] = self.left.pop(0)
        return drawn_RC


class Script:
    """Words of a language model, in the order in which the published code got them."""

    def __init__(self, vectors):
        self.vectors, self.n_insights, self.score, self.asked = vectors, 0, 0, []

    def insight(self, texts):
        self.n_insights += 1
        self.asked.append(texts)
        return f"insight {self.n_insights}", self.score

    def question(self, texts):
        return "topic"

    def conclude(self, question, texts):
        return "reflection ", [0, 1]

    def embed(self, texts):
        return np.array([self.vectors[text] for text in texts], dtype=np.float64)


def short_of(memory):
    there = [entry for entry in memory.describe(0) if entry.stage == "short"]
    slots = [int(np.flatnonzero(memory.entries.id_AC[0] == entry.id)[0]) for entry in there]
    return [
        [entry.text, round(entry.importance * 0.09, 6), int(memory.entries.enhanced_AC[0, slot])]
        for entry, slot in zip(there, slots, strict=True)
    ]


def test_an_enhancement_needs_both_a_likely_and_a_lucky_draw(golden):
    for case in golden["enhancement"]["cases"]:
        n = len(case["cosines"])
        similarity = np.array(case["cosines"]) + np.where(np.arange(n) == n - 1, 0.1, 0)
        assert sigmoid(similarity) == pytest.approx(case["probabilities"], abs=1e-9)
        passes = sigmoid(similarity) >= Stages().similar
        assert passes.tolist() == case["passes"]
        drawn = np.ones(n)
        drawn[passes] = case["uniforms_drawn"]
        assert (passes & (drawn <= sigmoid(similarity))).tolist() == case["enhanced"]


def test_short_term_traces_step_by_step(golden):
    for trace in golden["short_term"]["traces"]:
        if trace["name"] == "identical texts":
            continue  # the published store mixes up entries of equal text: a defect
        vectors = {step["text"]: step["vector"] for step in trace["steps"]}
        script, draws = Script(vectors | {f"insight {n}": [0, 0, 0, 1] for n in range(1, 20)}), GivenDraws()
        memory = Memory(1, 60, PRESET, width=4, embed=script.embed, draws=draws)
        for step in trace["steps"]:
            draws.left = list(step["uniforms_drawn"])
            number = memory.texts.ids_of([step["text"]])
            if step["op"] == "add":
                points = step["importance"] / 0.09
                memory.add(np.array([0]), Kind.EVENT, number, created=0, importance=points)
            else:
                memory.enhance_with(np.array([0]), number, 0)
            expected = [[each["text"], each["importance"], each["enhanced"]] for each in step["after"]]
            assert short_of(memory) == [[text, pytest.approx(i), n] for text, i, n in expected], (trace["name"], step)
            assert not draws.left


def test_retrieval_scores_and_order(golden):
    for case in golden["retrieval"]["cases"][:-1]:  # the last one is described in words
        memories = case["memories"]
        cosine = np.array([[each["cosine"] for each in memories]])
        everything = np.ones(cosine.shape, dtype=bool)
        relevance = distance_relevance(cosine, everything)[0]
        assert relevance == pytest.approx(case["published_relevance"], abs=1e-5)
        recency = 0.99 ** np.array([each["hours"] for each in memories], dtype=float)
        importance = np.array([each["importance"] for each in memories])
        score = recency + importance + relevance
        assert score == pytest.approx(case["published_score"], abs=1e-5)
        live = [place for place, each in enumerate(memories) if not each["dead"]]
        order = sorted(live, key=lambda place: (-round(score[place], 5), place))[: case["k"]]
        assert order == case["published_order"]
        plain = recency + importance + cosine[0]
        assert plain == pytest.approx(case["cosine_score"], abs=1e-5)


def test_strength_and_probability_of_forgetting(golden):
    for case in golden["forgetting"]["strengths"]:
        strength = forgetting_strength(np.array(0.99 ** case["hours"]), np.array(case["importance"]), Stages())
        assert strength == pytest.approx(case["strength"], abs=1e-6)


def test_a_pass_of_forgetting(golden):
    for case in golden["forgetting"]["cases"][:-1]:  # the last one is described in words
        memories = case["memories"]
        draws = GivenDraws()
        draws.left = list(case["uniforms_drawn"])
        memory = Memory(1, len(memories) + 11, PRESET, width=4, draws=draws)
        ids = []
        for number, each in enumerate(memories):
            added = memory.add(np.array([0]), Kind.THOUGHT, [f"m{number}"], created=0, importance=10)
            ids.append(int(added.ids_R[0]))
            slot = np.flatnonzero(memory.entries.id_AC[0] == ids[-1])[0]
            memory.entries.importance_AC[0, slot] = each["importance"] / 0.09
            memory.entries.accessed_AC[0, slot] = 1000 - each["hours"]
        memory.forget(np.array([0]), 1000)
        shells = [place for place, each in enumerate(memory.describe(0)) if each.stage == "shell"]
        assert shells == case["forgotten"]
        assert not draws.left


@pytest.mark.parametrize(
    ("n_entries", "name", "share_lost"),
    [(1, "recagent", 0.1), (10, "recagent", 0.1), (1, "recagent_code", 1.0), (10, "recagent_code", 0.1)],
)
def test_an_old_entry_is_forgotten_by_its_own_weakness_however_many_others_there_are(n_entries, name, share_lost):
    n_agents, preset = 2000, PRESETS[name]
    memory = Memory(n_agents, 22, preset, width=3)
    number = memory.texts.ids_of([f"{each}" for each in range(n_entries)], np.eye(n_entries, 3))
    for each in number:
        memory.add(np.arange(n_agents), Kind.THOUGHT, np.full(n_agents, each), created=0, importance=7)
    n_before = (memory.entries.id_AC >= 0).sum()
    lost = memory.forget(np.arange(n_agents), now=10_000.0)
    assert lost.sum() / n_before == pytest.approx(share_lost, abs=0.02)


def test_cited_entries_are_merged_from_a_cosine_of_about_9445(golden):
    for case in golden["reflection"]["merge"]:
        assert bool(sigmoid(np.array(case["cosine"])) >= Stages().duplicate) == case["merged"]


def test_importance_of_a_reply_and_what_is_kept(golden):
    for case in golden["importance"]["cases"]:
        points = None if case["correct_importance"] is None else round(case["correct_importance"] / 0.09)
        if points is None or points < 1:
            continue
        memory = Memory(1, 20, PRESET, width=4)
        kept = memory.add(np.array([0]), Kind.EVENT, ["seen"], created=0, importance=points).ids_R[0] >= 0
        assert kept == case["correct_kept"]


def test_the_whole_memory_over_120_hours(golden):
    whole = golden["whole_memory"]
    vectors = {step["text"]: step["vector"] for step in whole["steps"]} | whole["insight_vectors"]
    vectors |= {"reflection ": whole["reflection_vector"], "topic": whole["topic_vector"]}
    script, draws = Script(vectors), GivenDraws()
    preset = replace(PRESET, reflects_at=4)
    memory = RecAgentMemory(Memory(1, 200, preset, width=4, embed=script.embed, draws=draws), 0, script)
    for place, step in enumerate(whole["steps"]):
        draws.left, script.score = list(step["uniforms_drawn"]), step["score"]
        if step["op"] == "observe":
            memory.observe(step["text"], step["score"], step["hour"])
        else:
            found = memory.recall(step["text"], step["hour"])
            expected = re.sub(r"\[\d+\] ", "", step["returned"])
            assert "".join(found) == expected, place
        assert short_of(memory.memory) == [[text, pytest.approx(i), n] for text, i, n in step["short"]], place
        long = [entry for entry in memory.memory.describe(0) if entry.stage != "short"]
        for number, (entry, (text, importance, accessed)) in enumerate(zip(long, step["long"], strict=True)):
            if text in ("[FORGET]", "[MERGE]"):
                assert entry.stage == Stage.SHELL.name.lower(), (place, number)
            else:
                assert (f"[{number}] {entry.text}", entry.last_accessed) == (text, accessed), place
            assert entry.importance * 0.09 == pytest.approx(importance, abs=1e-6), (place, number)
        assert memory.memory.entries.accumulated_A[0] == pytest.approx(step["accumulated"], abs=1e-6), place
        assert not draws.left, place
