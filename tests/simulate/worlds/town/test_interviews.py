"""Interviews of residents: answers by rule know what the resident knows, at any tick, and leave no trace."""

import pytest
from llm_town import stub_of
from talking_town import SETTING, Meeting, fact_about, number

from recgpt.errors import LLMError, SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.runner import start
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.answering import answer
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.interviewing import interview, state_at
from recgpt.simulate.worlds.town.life import Known


@pytest.fixture
def nora():
    return Meeting().scenes("Nora", "Theo")[0]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What are your name, your age and your occupation?", "I am Nora Whitlock, 38 years old, cafe owner."),
        ("Where do you live, and who lives with you?", "I live in Alder House, with Felix Whitlock."),
        ("Where do you work or study?", "Lantern Cafe"),
        ("What are you interested in?", "cooking, parties, comedy and music"),
        ("When do you get up, and when do you go to bed?", "05:30"),
        ("What is on your plan for 13:00 today?", "At 13:00 my plan says: working."),
        ("What are you doing?", "having coffee"),
        ("Do you know of Theo Okafor?", "Yes, Theo Okafor is my regular guest."),
        ("Do you know of Milo Holm?", "No, Milo Holm is a stranger to me."),
        ("Which gatherings have you heard of, and who gives them?", "I give a lantern party at the Lantern Cafe"),
        ("Who is running for office?", "I have heard of none."),
        ("Whom have you talked with today?", "I have not talked with anybody today."),
        ("Whom do you like best of all in town?", "Felix Whitlock"),
        ("Tell me about the lanterns.", "lanterns"),
    ],
)
def test_answer_by_rule(nora, question, said):
    assert said in answer(nora, question)


def test_news_is_known_from_its_teller(nora):
    candidacy = fact_about("Walter", "candidacy")
    text = SETTING.people.facts[candidacy].text
    question = f"A passer-by says: {text}. Did you know?"
    assert answer(nora, question) == "No, I did not know that."
    nora.life.facts[candidacy] = Known(number("Walter"), 100, 0.9)
    assert answer(nora, question) == "Yes, Walter Finch told me."
    assert text in answer(nora, "Who is running for the council?")


def test_invitation_is_answered_as_accepted(nora):
    reading = fact_about("Priya", "gathering")
    nora.life.facts[reading] = Known(number("Priya"), 100, 0.9)
    question = f"{SETTING.people.facts[reading].text}. Are you going?"
    nora.life.appointments[reading] = True
    assert answer(nora, question) == "Yes, I am going."
    nora.life.appointments[reading] = False
    assert answer(nora, question) == "No, I am not."


# --- stored runs ---


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Name of a stored run of three residents, three hours of the morning."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RECGPT_RUNS", str(folder))
        start("town", "three", TownConfig(people=3), until=54).close()
        yield "three"


def test_interview_changes_nothing_and_is_of_its_tick(town):
    with Run.open(town) as run:
        before = run.hash
        early = interview(run, 0, 0, "What are you doing?")
        late = interview(run, 9 * 360 - 7, 0, "What are you doing?")
        assert "sleeping" in early.text
        assert "sleeping" not in late.text
        assert run.hash == before


def test_state_in_the_middle_of_a_block_has_no_later_memory(town):
    with Run.open(town) as run:
        ticks = [3 * 360 + 61, 8 * 360 + 17]
        for tick in ticks:
            state = state_at(run, tick)
            for agent in range(3):
                assert all(entry.created * 360 <= tick for entry in state.memory.of(agent))


@pytest.mark.parametrize(
    ("tick", "agent", "question", "message"),
    [
        (9 * 360 + 1, 0, "Hello?", "has no tick 3241: choose one from 0 to 3240"),
        (0, 3, "Hello?", "has no resident 3: choose one from 0 to 2"),
        (0, 0, " \n", "the question of the interview is empty"),
    ],
)
def test_wrong_interviews_are_refused(town, tick, agent, question, message):
    with Run.open(town) as run, pytest.raises(SimulationError, match=message):
        interview(run, tick, agent, question)


def test_language_model_answers_once_for_equal_questions(town, stubs):
    with stub_of(stubs, lambda body, said: {"answer": "I dream of lanterns."})() as stub:
        llm = {"base_urls": [stub.base_url], "model": "stub", "key_env": None}
        options = MindOptions(mind="llm", llm=llm)
        with Run.open(town) as run:
            for calls in (1, 0):
                found = interview(run, 3000, 0, "What do you dream of?", options)
                assert found.text == "I dream of lanterns."
                assert found.spent.calls == calls
        assert "What comes to mind" in stub.bodies[0]["messages"][-1]["content"]


def test_interview_without_a_server_says_so(town, monkeypatch):
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_BACKOFF_S", 0.002)
    options = MindOptions(mind="llm", llm={"base_urls": ["http://127.0.0.1:9/v1"], "model": "x", "key_env": None})
    with Run.open(town) as run, pytest.raises(LLMError, match="cannot be reached"):
        interview(run, 0, 0, "Hello?", options)
