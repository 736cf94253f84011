"""The battery of interviews: claims and scores, truths of the log, arms, and a town evaluated as a whole."""

import json
from dataclasses import replace
from datetime import datetime, time
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from recgpt.cli.town.evaluate import evaluate as evaluate_command
from recgpt.errors import SimulationError
from recgpt.simulate.runner import start
from recgpt.simulate.worlds.town.answering import answer
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.evaluation import evaluating
from recgpt.simulate.worlds.town.evaluation.arms import ARMS, FULL, memory_in, scene_in
from recgpt.simulate.worlds.town.evaluation.battery import CATEGORIES, N_QUESTIONS, Battery
from recgpt.simulate.worlds.town.evaluation.evaluating import block_at_time, evaluate
from recgpt.simulate.worlds.town.evaluation.scoring import YES_NO, Question, claims, score
from recgpt.simulate.worlds.town.evaluation.tables import tables
from recgpt.simulate.worlds.town.evaluation.truth import Truth
from recgpt.simulate.worlds.town.measures import town_measures
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.world import Town
from tests.simulate.worlds.town.restless_mind import RestlessMind
from tests.simulate.worlds.town.small_town import hazelbrook

HOURS, PEOPLE = 3, 6


# --- claims ---


def asked(domain, true, text="Who?"):
    return Question("memory", text, tuple(domain), frozenset(true))


def test_claims_are_whole_phrases_in_any_case_the_longest_first():
    question = asked(["Ann", "Ann Lee", "Bob", "7:30", "17:30"], [])
    assert claims("I met ANN LEE, not Bobby, at 17:30.", question) == {"Ann Lee", "17:30"}
    assert claims("ann and bob", question) == {"Ann", "Bob"}
    assert claims("", question) == frozenset()


def test_phrases_of_the_question_are_no_claims_unless_true():
    text = "What did you talk about with Bob?"
    assert claims("With Bob I talked about the weather", asked(["Bob", "the weather"], ["the weather"], text)) == {
        "the weather"
    }
    assert claims("Bob", asked(["Bob"], ["Bob"], text)) == {"Bob"}


@pytest.mark.parametrize(
    ("answer", "claimed"),
    [
        ("Yes.", {"yes"}),
        ("No, never.", {"no"}),
        ("I do not know", {"no"}),
        ("Maybe", set()),
        ("I heard of her", {"yes"}),
    ],
)
def test_yes_and_no_are_read_from_the_first_of_them(answer, claimed):
    assert claims(answer, asked(YES_NO, ["yes"])) == claimed


def test_scores_are_the_harmonic_mean_of_precision_and_recall():
    found = score("Ann and Bob", asked(["Ann", "Bob", "Cal", "Dee"], ["Ann", "Cal", "Dee"]))
    assert (found.right, found.wrong, found.lacking) == ({"Ann"}, {"Bob"}, {"Cal", "Dee"})
    assert found.score == pytest.approx(2 / 5)  # precision 1/2, recall 1/3
    one = replace(asked(["Ann", "Bob", "Cal"], ["Ann", "Cal"]), one_is_enough=True)
    assert [score(answer, one).score for answer in ("Cal", "Ann and Cal", "Bob", "")] == [1.0, 1.0, 0.0, 0.0]
    assert score("nobody", asked(["Ann"], [])).score == 1
    assert score("Ann", asked(["Ann"], [])).score == score("", asked(["Ann"], ["Ann"])).score == 0


# --- a town ---


@pytest.fixture(scope="module")
def town():
    """Three hours of six restless residents: config, state at the end, rows by block."""
    config = TownConfig(hours=HOURS, people=PEOPLE, seed=3, start_time=datetime(2023, 2, 13, 9))
    town_map = hazelbrook()
    setting = Setting(town_map, load_people(town_map, PEOPLE))
    world = Town(config.rules(), setting, RestlessMind(), seed=3)
    rows = []
    for _ in range(HOURS * 6):
        rows.append(world.play())
        world.apply(rows[-1])
    return config, world.state, rows


@pytest.fixture
def run(town, monkeypatch):
    """A stored run, as far as an evaluation reads it."""
    config, state, rows = town
    monkeypatch.setattr(evaluating, "States", lambda run: SimpleNamespace(at=lambda step: state))
    manifest = SimpleNamespace(world="town", config=config.model_dump())
    return SimpleNamespace(run_id="demo", n_steps=len(rows), iter_steps=lambda: iter(rows), manifest=manifest)


@pytest.fixture(scope="module")
def truth(town):
    _, state, rows = town
    truth = Truth(state.setting.people)
    for block in rows:
        truth.add(block)
    return truth


@pytest.fixture(scope="module")
def battery(town, truth):
    config, state, rows = town
    second = len(rows) * 600
    return Battery(state.setting, truth, seed=3, second=second, start_time=config.start_time)


def test_truth_is_that_of_the_state(town, truth):
    _, state, _ = town
    for agent, life in enumerate(state.lives):
        assert {fact for fact in range(len(truth.spread.knowers)) if truth.knows(agent, fact)} == set(life.facts)
        assert [block.text for block in life.plan] == [text for text, _ in truth.plans[agent]]
        talked = {other for other, relation in life.relations.items() if relation.n_talks}
        assert {talk.other for talk in truth.talks[agent]} == talked
        for other, relation in life.relations.items():
            assert truth.affinity[agent][other] == pytest.approx(relation.affinity)


def test_the_battery_has_five_questions_of_each_category_at_most(battery):
    for agent in range(PEOPLE):
        questions = battery.questions(agent)
        counts = [sum(each.category == category for each in questions) for category in CATEGORIES]
        assert len(questions) <= N_QUESTIONS == 5 * len(CATEGORIES)
        assert counts[:1] == [5] and max(counts) == 5
        assert all(each.true <= set(each.domain) for each in questions)
        assert battery.questions(agent) == questions


def test_answers_by_rule_about_oneself_are_right_in_every_arm(town, battery):
    _, state, _ = town
    for arm in ARMS.values():
        memory = memory_in(arm, state.memory)
        for agent in range(PEOPLE):
            scene = scene_in(arm, state, agent, memory)
            own = [each for each in battery.questions(agent) if each.category == "self-knowledge"]
            assert [score(answer(scene, question.text), question).right for question in own] == [
                each.true for each in own
            ]


def test_arms_leave_out_conclusions_plans_and_memories_and_change_nothing(town):
    _, state, _ = town
    before = {name: array.copy() for name, array in state.memory.to_arrays().items()}
    kinds = {}
    for name, arm in ARMS.items():
        memory = memory_in(arm, state.memory)
        entries = [entry for agent in range(PEOPLE) for entry in memory.of(agent)]
        kinds[name] = {(entry.kind, entry.created > 0) for entry in entries}
        scene = scene_in(arm, state, 0, memory)
        assert bool(scene.life.plan) == arm.plans
        assert bool(scene.life.relations) and (set(scene.life.facts) <= set(state.lives[0].facts))
    assert ("thought", True) in kinds[FULL] and ("event", True) in kinds[FULL]
    assert ("thought", True) not in kinds["no reflection"] and ("event", True) in kinds["no reflection"]
    assert ("thought", False) in kinds["no reflection"]
    assert kinds["no memory"] == set()
    assert all((array == before[name]).all() for name, array in state.memory.to_arrays().items())


def test_a_town_is_evaluated_in_every_arm(run, town):
    config, state, rows = town
    found = evaluate([run], at=time(12))
    assert found["runs"] == [{"run": "demo", "seed": 3, "block": 18, "at": "2023-02-13 12:00"}]
    means = {arm: of["all"]["mean"] for arm, of in found["arms"].items()}
    assert list(means) == list(ARMS)
    assert means[FULL] >= means["no reflection"] > means["no reflection, no planning"] > means["no memory"]
    for arm, of in found["arms"].items():
        assert of["plans"]["mean"] == float(ARMS[arm].plans)
        assert of["all"]["low"] <= of["all"]["mean"] <= of["all"]["high"]
        assert of["all"]["questions"] == sum(of[category]["questions"] for category in CATEGORIES)
    assert found["lost"]["no memory"]["mean"] == pytest.approx(means[FULL] - means["no memory"], abs=1e-3)
    assert found["lost"]["no memory"]["p_value"] < 0.05
    (acquaintance,) = found["acquaintance"]
    assert acquaintance["false"] == 0 < acquaintance["answers"]
    shown = tables(found, [town_measures(rows, state.setting, config.rules())])
    assert [table.row_count for table in shown] == [4, 10, 0]
    assert shown[0].columns[0]._cells == list(ARMS)


def test_several_towns_have_intervals_over_towns(run):
    found = evaluate([run, run], at=time(12), arms=[FULL, "no memory"])
    assert found["arms"][FULL]["all"]["low"] == found["arms"][FULL]["all"]["high"] == found["arms"][FULL]["all"]["mean"]
    assert list(found["lost"]) == ["no memory"]


def test_failed_answers_lack_everything_and_verdicts_are_counted(run):
    found = evaluate([run], at=time(12), arms=[FULL], answer=lambda scene, question: None)
    figures = found["arms"][FULL]["all"]
    assert figures["failed"] == figures["questions"]
    assert figures["right"] == figures["wrong"] == 0
    judged = evaluate([run], at=time(12), arms=[FULL], judge=lambda question, said: question.category == "plans")
    assert judged["arms"][FULL]["plans"]["judged"] == 1.0
    assert 0 < judged["arms"][FULL]["all"]["judged"] < 1


def test_a_run_that_has_not_begun_or_of_another_world_is_refused(run):
    run.n_steps = 0
    with pytest.raises(SimulationError, match="run demo has not begun"):
        evaluate([run])
    run.manifest.world = "feed"
    with pytest.raises(SimulationError, match="is of the world 'feed'"):
        evaluate([run])


@pytest.mark.parametrize(
    ("start", "at", "n_blocks", "block"),
    [
        (0, 18, 144, 108),
        (0, 18, 60, 60),
        (0, 18, 2 * 144, 144 + 108),
        (7, 18, 144, 66),
        (20, 18, 144, 132),
        (0, 0, 144, 144),
    ],
)
def test_interviews_are_at_the_time_of_day_on_the_last_day_that_has_it(start, at, n_blocks, block):
    assert block_at_time(datetime(2023, 2, 13, start), time(at), n_blocks) == block


# --- the command ---


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Folder of runs with an hour of two residents, `demo`, that begins at 9:00."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(folder))
        start("town", "demo", TownConfig(hours=1, people=2, start_time=datetime(2023, 2, 13, 9))).close()
    return folder


def evaluated(monkeypatch, folder, *arguments):
    monkeypatch.setenv("RECGPT_RUNS", str(folder))
    app = typer.Typer()
    app.command()(evaluate_command)
    return CliRunner().invoke(app, arguments)


def test_the_command_prints_tables_and_json(monkeypatch, stored):
    shown = evaluated(monkeypatch, stored, "demo", "--at", "10:00")
    assert shown.exit_code == 0
    assert all(text in shown.stdout for text in ("Interviews: demo at 2023-02-13 10:00", "no memory", "29.89"))
    found = json.loads(evaluated(monkeypatch, stored, "demo", "--arms", "full; no memory", "--json").stdout)
    assert list(found["arms"]) == ["full", "no memory"]
    assert found["measures"][0]["agents"] == 2
    assert found["answers"][0]["question"] == "What are your name, your age and your occupation?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "25:00"), "--at 25:00: give a time of day such as 18:00"),
        (("--arms", "half"), "--arms: no arm 'half': choose among full; no reflection;"),
    ],
)
def test_the_command_names_wrong_values(monkeypatch, stored, arguments, message):
    assert message in str(evaluated(monkeypatch, stored, "demo", *arguments).exception)


def test_a_language_model_answers_and_judges(monkeypatch, stored, stub_module):
    """Every answer is `Yes, at the Clinic.`, and right by the judge; one question has no valid reply."""

    def reply(user, seen):
        if "What are you interested in?" in user:
            return stub_module.Fault(text="no JSON")
        said = {"is_right": True} if "Truth: " in user else {"answer": "Yes, at the Clinic."}
        return stub_module.Fault(text=json.dumps(said))

    with stub_module.Stub() as stub:
        stub.fault = reply
        options = ("--arms", "full", "--mind", "llm", "--judge", "--base-url", stub.base_url, "--key-env", "", "--json")
        found = json.loads(evaluated(monkeypatch, stored, "demo", *options).stdout)
        n_calls = len(stub.bodies)
        again = json.loads(evaluated(monkeypatch, stored, "demo", *options).stdout)
        assert len(stub.bodies) - n_calls <= found["arms"]["full"]["all"]["failed"] * 3
    figures = found["arms"]["full"]["all"]
    assert 0 < figures["failed"] < figures["questions"]
    assert figures["judged"] == 1.0
    assert again["arms"] == found["arms"]
    assert {each["answer"] for each in found["answers"]} == {None, "Yes, at the Clinic."}
