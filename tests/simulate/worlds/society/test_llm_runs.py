"""Stored runs of a society whose agents a language model or a person plays: hashes, failures, stops, take-overs."""

import hashlib
import io
import json
import re
from collections import Counter
from zlib import crc32

import polars as pl
import pytest
from llm_society import stub_of
from rich.console import Console

from recgpt.simulate.llm.budget import BudgetExceeded
from recgpt.simulate.llm.replies import read_reply
from recgpt.simulate.minds.schema import InWords
from recgpt.simulate.overview import failures_by_reason, overview
from recgpt.simulate.runner import resume, start, verify
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.minds import person, schemas
from recgpt.simulate.worlds.society.socialising import NO_FRIENDS

N_AGENTS = 12
MARKER = "quota-exceeded-7f3a"
SURVEY = {"kind": "survey", "round": 2, "question": "Do you like it?", "item": 3}


@pytest.fixture(autouse=True)
def short_rests(monkeypatch, runs):
    """Backoff of milliseconds, and a folder of runs of its own."""
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_BACKOFF_S", 0.002)


@pytest.fixture
def stub(stubs):
    with stub_of(stubs)() as serving:
        yield serving


def config(stub=None, llm=None, **more):
    settings = {"agents": N_AGENTS, "rounds": 3, "recommender": "popularity", "mean_friends": 4, **more}
    if stub is not None:
        reached = {"base_urls": [stub.base_url], "model": "stub", "key_env": None}
        settings |= {"mind": "llm", "llm": {**reached, **(llm or {})}}
    return SocietyConfig.load(flags=settings)


def sent(stub):
    """How often each body was sent."""
    return Counter(json.dumps(body, sort_keys=True) for body in stub.bodies)


def n_decisions(events):
    """Decisions of agents in a log without failures, one question each."""
    of_kind = {kind[0]: rows for kind, rows in events.partition_by("kind", as_dict=True).items()}
    counts = {kind: len(rows) for kind, rows in of_kind.items()}
    pages = of_kind["shown"].select("step", "agent", "value").n_unique()
    feeds = of_kind["read"].select("step", "agent").n_unique()
    alone = (of_kind["went"]["text"] == NO_FRIENDS).sum()
    first = counts["rested"] + counts["entered"] + counts["went"]
    others = sum(counts.get(kind, 0) for kind in ("chatted", "answered", "interviewed", "thought"))
    return first + pages + feeds + counts["went"] - alone + others


# --- whole runs ---


def test_the_hash_is_the_same_at_any_concurrency(stub, stubs):
    hashes, asked = set(), set()
    for concurrency in (1, 8, 64):
        stub.bodies.clear()
        stub.fault = stubs.random_delays(concurrency, most_s=0.004)
        settings = config(stub, {"concurrency": concurrency}, rounds=2, schedule=[SURVEY])
        with start("society", f"at-{concurrency}", settings) as run:
            hashes.add(run.hash)
            assert verify(run).n_steps == 2 and not failures_by_reason(run)
            kinds = set(run.counts_by_kind())
        asked.add(frozenset(sent(stub).items()))
    assert len(hashes) == len(asked) == 1
    assert kinds >= {"felt", "said", "posted", "rested", "answered"}


def test_one_call_a_decision_and_none_for_memory(stub):
    with start("society", "town", config(stub, schedule=[SURVEY])) as run:
        calls, events = run.calls_summary(), run.events()
    assert calls["n"] == len(stub.bodies) == n_decisions(events) and not calls["failed"]
    assert "thought" not in set(events["kind"])


def test_reflections_that_are_due_are_one_more_call_each(stub):
    with start("society", "town", config(stub, {"reflects": True}, memory="recgpt")) as run:
        events = run.events()
        assert run.calls_summary()["n"] == n_decisions(events)
    thoughts = events.filter(pl.col("kind") == "thought")
    assert len(thoughts) and thoughts["text"].str.starts_with("Words ").all()


# --- faults ---


@pytest.mark.parametrize(
    ("words", "is_in_role"),
    [
        ("I'm sorry, I'm not able to provide a response in the specified time frame.", False),
        ("I\u2019m sorry, but I can\u2019t assist with that.", False),
        ("I apologize, but I cannot fulfill this request.", False),
        ("As an AI language model, I have no taste.", False),
        ("As an AI I do not watch films.", False),
        ("I'm a social media AI assistant, designed to help you.", False),
        ("I'm sorry, I can't make it tonight.", True),
        ("I'm sorry I missed it, I could not provide for everybody.", True),
        ("A film about an AI that dreams; as an AI thriller it works.", True),
        ("I am an AI researcher and a fan of robots.", True),
    ],
)
def test_words_of_an_assistant_are_a_failure_of_their_own_kind(words, is_in_role):
    said = {"speaker": 1, "text": "", "topic": 0, "opinion": 0}
    dialogue = {f"line_{number}": {**said, "text": words if number == 2 else "Hello."} for number in range(1, 7)}
    replies = {
        InWords: {"answer": words},
        schemas.choice_schema(("nothing", "social")): {"reason": words, "choice": "social"},
        schemas.dialogue_schema(1, 1, 1): dialogue,
    }
    for schema, reply in replies.items():
        read = read_reply(json.dumps(reply), schema)
        assert (read.value is not None) == is_in_role
        assert read.failure == (None if is_in_role else "out_of_role")


FAULTS = {
    "rate_limited": {"status": 429, "body": json.dumps({"error": {"message": MARKER}})},
    "server_error": {"status": 500, "body": f"<html>{MARKER}</html>"},
    "not_json": {"text": f"Error: {MARKER}. Please try again."},
    "schema_violation": {"text": json.dumps({"error": {"message": MARKER}})},
    "refused": {"text": "", "refusal": MARKER},
    "truncated": {"text": f'{{"reason": "{MARKER}', "finish": "length"},
    "timeout": {"hang": True},
}


def test_failures_are_counted_by_kind_and_error_texts_are_in_no_event(stubs):
    """One question in sixteen has each fault; an assistant's apology is one more."""
    kinds = [*FAULTS, "out_of_role"]

    class Faulty(stub_of(stubs)):
        def decide(self, key, user, seen, raw):
            body = json.loads(raw)
            drawn = crc32(json.dumps(body["messages"]).encode()) % 16
            if kinds[drawn : drawn + 1] == ["out_of_role"]:
                status, headers, reply = super().decide(key, user, seen, raw)
                said = json.loads(reply)
                said["choices"][0]["message"]["content"] = re.sub(
                    r"Words \d+", f"I'm sorry, but I can't assist with that: {MARKER}", reply_text(said)
                )
                return status, headers, json.dumps(said)
            self.fault = lambda user, seen: stubs.Fault(**FAULTS[kinds[drawn]]) if drawn < len(FAULTS) else None
            return super().decide(key, user, seen, raw)

    with Faulty() as stub:
        llm = {"timeout_s": 0.15, "max_failed": 1000, "concurrency": 1}
        with start("society", "town", config(stub, llm, schedule=[SURVEY])) as run:
            events, reasons = run.events(), failures_by_reason(run)
            by_kind, lines = run.calls_summary()["failures"], overview(run)["failed"]
    of_log = Counter(text.split(":")[0] for text in events.filter(pl.col("kind") == "failed")["text"])
    assert set(of_log) == set(by_kind) == set(kinds)
    assert Counter({reason.split(":")[0]: count for reason, count in reasons.items()}) == of_log
    assert {line.split()[1].rstrip(":"): int(line.split()[0]) for line in lines} == dict(of_log)
    assert not events["text"].drop_nulls().str.contains(MARKER).any()
    assert not events["text"].drop_nulls().str.contains("assist with").any()


def reply_text(said):
    return said["choices"][0]["message"]["content"]


# --- stops ---


def test_a_stopped_run_goes_on_to_the_same_hash_and_sends_no_question_twice(stub, monkeypatch):
    with start("society", "whole", config(stub, schedule=[SURVEY])) as run:
        expected, n_calls = run.hash, run.calls_summary()["n"]
    asked = sent(stub)
    stub.bodies.clear()
    with pytest.raises(BudgetExceeded, match="recgpt runs resume demo"):
        start("society", "demo", config(stub, {"max_calls": 7}, schedule=[SURVEY]))
    append = Run.append

    def killed(run, rows):
        raise KeyboardInterrupt

    with Run.open("demo", write=True) as run:
        with pytest.raises(BudgetExceeded):
            resume(run, max_calls=n_calls // 2)
        monkeypatch.setattr(Run, "append", killed)  # all of a round was asked, none of it stored
        with pytest.raises(KeyboardInterrupt):
            resume(run, max_calls=n_calls)
        monkeypatch.setattr(Run, "append", append)
        resume(run, max_calls=n_calls)
        assert run.hash == expected and run.calls_summary()["n"] == n_calls
    assert sent(stub) == asked and set(asked.values()) == {1}


# --- interviews ---


def test_an_interview_leaves_a_stored_run_as_it_is(stub, run_recgpt):
    with start("society", "town", config(stub)) as run:
        before = run.hash
    path, n_calls = run_path("town"), len(stub.bodies)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    said = run_recgpt("runs", "interview", "town", "--agent", 3, "--question", "What do you like?", "--at", 2, "--json")
    assert said.code == 0 and json.loads(said.stdout)["answer"].startswith("Words ")
    assert len(stub.bodies) == n_calls + 1
    assert hashlib.sha256(path.read_bytes()).hexdigest() == content
    with Run.open("town") as run:
        assert run.hash == before and run.calls_summary()["n"] == n_calls and verify(run).n_steps == 3


# --- a person ---


class Typing(Console):
    """Terminal that answers each question by its first words, and keeps the names of the agents played."""

    def __init__(self):
        super().__init__(file=io.StringIO(), width=300)
        self.answers = {
            "What do you do? [r]": "r",
            "Number to watch": "1",
            "Stars": "5",
            "How did it feel": "Typed by hand.",
        }

    def input(self, prompt="", **options):
        self.print(prompt, end="\n")
        said = next((answer for words, answer in self.answers.items() if str(prompt).startswith(words)), None)
        return said if said is not None else "goodbye"

    @property
    def played(self):
        """(agent, round) of each situation that was shown."""
        shown = re.findall(r"You are .*?\(#(\d+)\)\..*?round (\d+)\.", self.file.getvalue())
        return [(int(agent), int(step)) for agent, step in shown]


@pytest.fixture
def terminal(monkeypatch):
    typing = Typing()
    monkeypatch.setattr(person, "SafeConsole", lambda: typing)
    return typing


def felt_by_hand(run):
    return run.events(kind="felt").filter(pl.col("text") == "Typed by hand.").select("agent", "step").rows()


@pytest.mark.parametrize("mind", ["scripted", "person"])
def test_an_agent_of_the_schedule_is_played_from_its_round_until_it_is_returned(terminal, mind):
    taken = [{"kind": "person", "round": 2, "until": 2, "agent": 5}]
    settings = config(mind=mind, memory="none", schedule=taken, interval="1d")
    with start("society", "town", settings) as run:
        events, hand = run.events(), felt_by_hand(run)
        assert verify(run).n_steps == 3
    assert terminal.played == hand == [(5, 2)], "nobody else, and agent 0 neither"
    changes = events.filter(pl.col("kind").is_in(["taken", "returned"])).select("kind", "agent", "step").rows()
    assert changes == [("taken", 5, 2), ("returned", 5, 3)]
    assert len(events.filter((pl.col("step") == 2) & pl.col("kind").is_in(["rested", "entered", "went"]))) == N_AGENTS


def test_a_person_plays_the_first_agent_where_the_schedule_names_none(terminal):
    with start("society", "town", config(mind="person", memory="none", rounds=2, interval="1d")) as run:
        assert terminal.played == felt_by_hand(run) == [(0, 1), (0, 2)]
