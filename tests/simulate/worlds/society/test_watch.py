"""Watch of a society: figures, panels, cards and log of a run with every kind of intervention."""

import time

import pytest
from test_contract import config

from recgpt.errors import SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watching import watch_of
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.view import view
from recgpt.testing.world import check_watch


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(tmp_path_factory.mktemp("runs")))
        runner.start("society", "watched", config(memory="recagent", interval="1h")).close()
        with Run.open("watched") as opened:
            yield opened


@pytest.fixture(scope="module")
def watch(run):
    watch = watch_of(run)
    watch.frames = [watch.start(), *(watch.add(rows) for rows in run.iter_steps())]
    return watch


def panel(card_or_moment, title):
    return next(each for each in card_or_moment["panels"] if each["title"] == title)


def figures(moment, title):
    return dict(panel(moment, title)["rows"])


def test_live_and_replayed_show_the_same(run):
    check_watch(run)


def test_frames_hold_the_figures_of_the_rounds(run, watch):
    about = watch.about()
    names = {figure["name"] for figure in about["figures"]}
    assert all(set(frame["values"]) == names for frame in watch.frames)
    for frame, of_round in zip(watch.frames[1:], run.metrics["rounds"], strict=True):
        assert frame["values"]["entropy"] == of_round["entropy"]
        assert frame["values"]["adopted_friend"] == of_round["adopted"]["friend"]
        assert sum(frame["counts"].values()) == about["n_agents"] == len(frame["activity"])
    assert about["has_graph"] and about["can"] == ["interview", "take_over", "edit"]
    assert about["n_steps"] == run.n_steps


def test_interventions_are_marked_where_they_begin(watch):
    labels = [mark["label"].partition(":")[0] for frame in watch.frames for mark in frame["marks"]]
    assert labels.count("survey") == 2
    assert labels.count("random_items") == 1
    assert [mark for mark in watch.frames[3]["marks"] if mark["label"] == "recommender: item_knn"]
    title = watch.reader.titles[3]
    assert f"broadcast: Everybody talks about it., item {title}" in {each["label"] for each in watch.frames[2]["marks"]}


def test_panels_count_up_to_their_round(run, watch):
    for step in (4, 1, 2):
        events = run.events(range(1, step + 1))
        recommender, social = (figures(watch.moment(step), title) for title in ("Recommender", "Social life"))
        counts = dict(events["kind"].value_counts().iter_rows())
        assert recommender["interactions"] == counts["watched"]
        assert recommender["algorithm"] == ("item_knn" if step >= 3 else "popularity")
        assert recommender["current users"] == len(run.events(step, kind="entered"))
        assert social["posts"] == counts["posted"]
        assert social["chats"] == counts.get("chatted", 0)
        top = panel(watch.moment(step), "Most watched")["rows"][0]
        assert top[1] == events.filter(events["kind"] == "watched")["item"].value_counts()["count"].max()
    answered = panel(watch.moment(4), "Surveys, polls and interviews")["rows"]
    assert len(answered) == 4 + 1 + 1
    assert any(row[-1].startswith("one: ") for row in answered)


def test_card_of_an_agent(run, watch):
    card, later = watch.agent(1, 0), watch.agent(2, 0)
    assert {entry["name"]: entry["value"] for entry in later["profile"]}["interest"] == "horror movies"
    assert {entry["name"]: entry["value"] for entry in card["profile"]}["interest"] != "horror movies"
    friends = panel(watch.agent(2, 0), "Friends, the closest first")["rows"]
    state = States(run).at(2)
    assert [row[0] for row in friends if row[0] == 7]
    assert len(friends) == state.social.friends.degree_A[0]
    memory = panel(later, "Memory, the newest first")["rows"]
    assert [row[2] for row in memory] == [entry.text for entry in reversed(state.memory.entries.describe(0))]
    assert later["name"] == state.people.name[0]
    assert later["role"] == "agent"


def test_activity_of_a_card_is_that_of_the_frame(run, watch):
    frame = watch.frames[4]
    busy = [agent for agent, kind in enumerate(frame["activity"]) if kind == 1]
    event = watch.agent(4, busy[0])["event"]
    watched = run.events_of(busy[0], range(1, 5), ["watched"])
    assert event["activity"] == 1 and event["end"] - event["start"] >= 7200
    assert event["text"] == "watching " + watch.reader.titles[watched["item"].to_list()[-1]]
    node = watch.graph(4)["nodes"][busy[0]]
    assert node["activity"] == "watching" and node["id"] == busy[0]


def test_agents_that_still_watch_have_a_line(run, watch):
    lines = watch.log(4, kind="watching")
    assert lines and all(line["text"].startswith("is still watching ") for line in lines)
    frame = watch.frames[3]
    of_step = [line["agent"] for line in lines if line["step"] == 4]
    assert of_step and all(frame["activity"][agent] == 1 for agent in of_step)
    told = messages(watch.reader.watching(4), watch.reader.setting)
    assert {message["action"] for message in told} == {"WATCH"}
    assert [message["agent_id"] for message in told] == sorted(of_step)
    assert {"agent_id", "action", "content"} == set(told[0])
    assert view(run, 4)["log"][: len(told)] == told


def test_log_finds_texts_and_agents(watch):
    lines = watch.log(4, text="horror")
    assert any(line["kind"] == "edited" and line["agent"] == 0 for line in lines)
    of_agent = watch.log(4, agent=0)
    assert {line["agent"] for line in of_agent} == {0}
    assert [line["step"] for line in of_agent] == sorted((line["step"] for line in of_agent), reverse=True)
    assert [line for since, step in ((3, 4), (1, 2)) for line in watch.log(step, text="horror", since=since)] == lines
    assert [line for since, step in ((2, 4), (1, 1)) for line in watch.log(step, agent=0, since=since)] == of_agent
    assert len(watch.log(4, limit=3)) == 3
    assert watch.log(0) == []


def test_unknown_agents_and_rounds_are_refused(watch):
    with pytest.raises(SimulationError, match="no agent 24: its agents are 0 to 23"):
        watch.agent(1, 24)
    with pytest.raises(SimulationError, match="no step 5: choose one from 0 to 4"):
        watch.moment(5)


def test_past_rounds_of_a_larger_society_are_there_at_once(tmp_path, monkeypatch):
    """The targets are 50 ms and 200 ms for 1,000 agents; bounds here are generous, machines are shared."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    runner.start("society", "large", SocietyConfig(agents=1000, rounds=3, recommender="popularity")).close()
    with Run.open("large") as run:
        watch = watch_of(run)
        steps = [run.events(step) for step in (1, 2, 3)]
        added = min(_seconds(lambda rows=rows: watch.add(rows)) for rows in steps)
        watch.moment(3)
        assert added < 0.5
        assert _seconds(lambda: (watch.moment(2), watch.agent(1, 5))) < 2


def _seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start
