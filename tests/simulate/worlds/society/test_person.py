"""A person who plays agents of a society in the terminal, and the split of decisions between person and own mind."""

import io

import numpy as np
import pytest
from llm_society import Society, llm_mind, name_of, pages_of, played, stub_of
from rich.console import Console
from small_society import RandomMind, frame, moment

from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds.base import Action, Choice, Choices, Company, Pairs, Questions, Social
from recgpt.simulate.worlds.society.minds.person import PersonMind
from recgpt.simulate.worlds.society.minds.played import PlayedMind


class Own(RandomMind):
    """A mind that always turns to others, with its name in its reasons."""

    name = "own"

    def choose(self, moment):
        n = len(moment)
        return Choices(np.full(n, Choice.SOCIAL, dtype=np.int8), np.zeros(n, dtype=bool), ["own"] * n)

    def estimate(self, n_agents, n_rounds):
        return (n_agents, n_rounds)


class Terminal:
    """Types lines into the prompts of a person's mind, and keeps what was shown."""

    def __init__(self, state, *typed):
        self.shown = io.StringIO()
        console = Console(file=self.shown, width=200)
        lines = iter(typed)

        def entered(prompt="", **options):
            console.print(prompt, end="")
            try:
                return next(lines)
            except StopIteration:
                raise EOFError from None

        console.input = entered
        self.mind = PersonMind(state.setting.facts, console)

    @property
    def text(self):
        return self.shown.getvalue()


def test_wrong_input_is_asked_again():
    state = Society()
    terminal = Terminal(state, "", "x", "R")
    chosen = terminal.mind.choose(moment(state, agents=[3]))
    assert chosen.choice_R.tolist() == [Choice.RECOMMENDER] and not chosen.failed_R.any()
    assert terminal.text.count("one of r, s, n, please") == 2
    assert "You are Name 3 (#3)" in terminal.text and "2024-01-01" in terminal.text


def test_a_page_is_watched_by_number_and_searched_in_words_or_by_number():
    state = Society()
    watching = Terminal(state, "4", "2", "6", "5", "It was [red]fine.")
    did = watching.mind.browse(pages_of(state, np.array([0])))
    assert did.action_R.tolist() == [Action.WATCH] and did.slot_R.tolist() == [1] and did.stars_R.tolist() == [5]
    assert did.feeling_texts == ["It was [red]fine."], "typed text is no markup"
    assert "4" not in [line.split()[0] for line in watching.text.splitlines() if line.strip()], "an empty slot"
    words = Terminal(state, "s", "", "a western").mind.browse(pages_of(state, np.array([0])))
    assert words.queries == ["a western"] and words.search_item_R.tolist() == [-1]
    number = Terminal(state, "s", "1").mind.browse(pages_of(state, np.array([0])))
    assert number.queries == [None] and number.search_item_R[0] in state.viewing.heard_AB[0]
    assert Terminal(state, "l").mind.browse(pages_of(state, np.array([0]))).action_R.tolist() == [Action.LEAVE]


def test_posts_are_liked_commented_and_their_authors_followed():
    state = Society()
    state.apply(frame(1, KINDS.piece("posted", np.array([1, 2]), item=[3, -1], value=[1.0, np.nan], text=["A", "B"])))
    none = Ragged.from_lists([[]])
    company = Company(2, np.array([0]), state, none, none, np.array([[1, -1, 0]]))
    terminal = Terminal(state, "9l", "2l", "1f 3lc", "Indeed.", "7", "-1")
    did = terminal.mind.react(company)
    assert did.follow_RS.tolist() == [[True, False, False]] and did.like_RS.tolist() == [[False, False, True]]
    assert did.comments == [[None, None, "Indeed."]] and did.comment_opinion_RS[0, 2] == -0.5
    assert not did.repost_RS.any() and not did.mute_RS.any()


def test_a_post_and_a_chat_are_chosen_by_number():
    state = Society()
    friends, topics = Ragged.from_lists([[5, 2]]), Ragged.from_lists([[7, 8]])
    company = Company(1, np.array([0]), state, friends, topics, np.full((1, 1), -1))
    post = Terminal(state, "p", " ", "See this!", "2", "2").mind.socialise(company)
    assert post.action_R.tolist() == [Social.POST] and post.texts == ["See this!"]
    assert post.item_R.tolist() == [8] and post.opinion_R.tolist() == [1]
    chat = Terminal(state, "c", "3", "2", "3", ".5", "").mind.socialise(company)
    assert chat.friend_R.tolist() == [2] and chat.hours_R.tolist() == [0.5] and chat.item_R.tolist() == [-1]


def test_answers_to_surveys_polls_and_interviews():
    state, agents = Society(), np.array([0])
    survey = Terminal(state, "11", "8", "Because.").mind.answer(Questions(1, agents, state, "Good?", 3, (), False))
    assert survey.value_R.tolist() == [8] and survey.texts == ["Because."]
    poll = Terminal(state, "2", "").mind.answer(Questions(1, agents, state, "Which?", -1, ("a", "b"), False))
    assert poll.value_R.tolist() == [1] and poll.texts == [None]
    words = Terminal(state, "Well.").mind.answer(Questions(1, agents, state, "How?", -1, (), True))
    assert words.value_R.tolist() == [1] and words.texts == ["Well."]


def test_the_end_of_the_input_says_what_to_do():
    state = Society()
    with pytest.raises(SimulationError, match=r"needs a terminal.*runs resume"):
        Terminal(state).mind.choose(moment(state, agents=[0]))


# --- take-over ---


def taken(state, *agents):
    state.apply(frame(1, KINDS.piece("taken", np.array(agents))))
    return state


def test_an_agent_is_taken_over_and_handed_back():
    state = taken(Society(), 3)
    own = Own()
    mind = PlayedMind(own, Terminal(state, "n").mind)
    chosen = mind.choose(moment(state))
    assert chosen.choice_R.tolist() == [Choice.SOCIAL] * 3 + [Choice.NOTHING] + [Choice.SOCIAL] * 8
    assert chosen.reasons == ["own"] * 3 + [None] + ["own"] * 8
    state.apply(frame(2, KINDS.piece("returned", np.array([3]))))
    assert mind.choose(moment(state)).choice_R.tolist() == [Choice.SOCIAL] * 12, "without a question"
    assert mind.name == "own" and mind.estimate(12, 3) == (12, 3)


def test_the_persons_own_agent_is_played_from_the_first_round():
    state = Society()
    mind = PlayedMind(Own(), Terminal(state, "n").mind, always=(0,))
    assert mind.choose(moment(state)).choice_R.tolist() == [Choice.NOTHING] + [Choice.SOCIAL] * 11
    assert mind.estimate(12, 3) == (11, 3)


def test_reactions_of_both_are_merged_by_row():
    state = taken(Society(), 1)
    state.apply(frame(1, KINDS.piece("posted", np.array([5]), item=[3], value=[1], text=["A"])))
    everybody, none = np.arange(3), Ragged.from_lists([[]] * 3)
    company = Company(2, everybody, state, none, none, np.zeros((3, 1), dtype=np.int64))
    did = PlayedMind(Own(), Terminal(state, "1lc", "Mine.", "2").mind).react(company)
    alone = Own().react(company.rows(np.array([0, 2])))
    assert did.comments[1] == ["Mine."] and did.like_RS[1].all()
    assert [did.comments[0], did.comments[2]] == alone.comments
    assert did.like_RS[[0, 2]].tolist() == alone.like_RS.tolist()


def pairs(state, agents, partners):
    topics = Ragged.from_lists([[7, 8]] * len(agents))
    return Pairs(1, np.array(agents), state, np.array(partners), np.full(len(agents), 7), topics, topics)


def test_a_chat_goes_on_until_goodbye_and_keeps_the_dialogues_of_others():
    state = taken(Society(), 2)
    mind = PlayedMind(Own(), Terminal(state, "Hi!", "1", "2", "Goodbye.").mind)
    said = mind.talk(pairs(state, [1, 2, 4], [5, 6, 7]))
    assert said.row_L.tolist() == [0, 0, 1, 1, 2, 2]
    assert said.by_partner_L.tolist() == [False, True] * 3
    assert said.texts[2] == "Hi!" and said.item_L[2] == 7 and said.opinion_L[2] == 1
    assert not said.failed_R.any()


def test_a_chat_that_nobody_says_anything_in_has_failed():
    state = taken(Society(), 2)
    said = PlayedMind(Own(), Terminal(state, "").mind).talk(pairs(state, [2], [6]))
    assert said.failed_R.tolist() == [True] and said.reasons == ["silent: nobody said a word"]


def test_a_language_model_answers_the_lines_of_a_person(stubs):
    state = taken(Society(), 6)
    lines = {"text": "Tell me.", "topic": 1, "opinion": -2}
    with stub_of(stubs, lambda body, said: lines if name_of(body) == "Line" else None)() as stub:
        terminal = Terminal(state, "I was away.", "0", "goodbye")
        mind = PlayedMind(llm_mind(state, stub), terminal.mind)
        said = mind.talk(pairs(state, [2], [6]))  # the model's agent begins, the person is its partner
    assert said.by_partner_L.tolist() == [False, True, False]
    assert said.texts == ["Tell me.", "I was away.", "Tell me."] and said.item_L.tolist() == [7, -1, 7]
    assert said.opinion_L[0] == -1
    asked = [body["messages"][-1]["content"] for body in stub.bodies]
    assert 'they: "I was away."' in asked[1] and 'you: "Tell me."' in asked[1]
    assert "Name 2 (#2): Tell me. [Film 2]" in terminal.text


def test_a_whole_round_with_a_person(stubs):
    state = taken(Society(), 0)
    with stub_of(stubs)() as stub:
        mind = PlayedMind(llm_mind(state, stub), Terminal(state, "r", "1", "4", "Good.").mind)
        rows = played(state, mind)
    mine = rows.filter(rows["agent"] == 0)
    assert set(mine["kind"]) >= {"watched", "rated", "felt"}
    assert all(
        '(#0), "female", 30 years old' not in body["messages"][0]["content"] or name_of(body) == "Dialogue"
        for body in stub.bodies
    )
