"""Changes of a society from the page: edit, take over, answer and give back, each a fork with its schedule."""

import time
from typing import Any

import pytest
from served import AGENTS, Client

from recgpt.simulate.store import Run


def until_settled(client: Client, run: str) -> dict[str, Any]:
    end = time.monotonic() + 200
    while (found := client.json(f"/api/runs/{run}"))["status"] == "starting":
        assert time.monotonic() < end
        time.sleep(0.1)
    return dict(found)


def schedule_of(run: str) -> list[dict[str, Any]]:
    with Run.open(run) as opened:
        return list(opened.manifest.config["schedule"])


def answer_to(prompt: str) -> str:
    """The shortest way through a round."""
    question = prompt.rstrip().splitlines()[-1]
    for words, text in (("[n]othing", "n"), ("Reactions", ""), ("title?", "0"), ("What do you think", "0")):
        if words in question:
            return text
    return "goodbye"


@pytest.mark.slow
def test_edit_take_answer_and_give(client):
    edited = client.post("/api/runs/town/edit", {"at": 2, "agent": 1, "values": {"interest": "drama"}}).json["run"]
    assert until_settled(client, edited)["forked_from"] == "town@2"
    assert schedule_of(edited)[-1]["values"] == {"interest": "drama"}
    assert schedule_of("town") == []  # the run itself stays as it was

    taken = client.post(f"/api/runs/{edited}/take", {"at": 2, "agent": 3}).json["run"]
    until_settled(client, taken)
    assert [entry["kind"] for entry in schedule_of(taken)] == ["profile", "person"]
    assert client.post(f"/api/runs/{taken}/control", {"action": "step"}).status == 200
    end, prompts = time.monotonic() + 120, []
    while (found := client.json(f"/api/runs/{taken}"))["n_steps"] == 2:
        assert time.monotonic() < end, found
        if found["prompt"]:
            prompts.append(found["prompt"])
            client.post(f"/api/runs/{taken}/answer", {"text": answer_to(found["prompt"])})
        time.sleep(0.1)
    assert "What do you do?" in prompts[0]
    assert client.json("/recagent/" + taken + "/role-play") == 3
    assert [client.json(f"/api/runs/{taken}/steps/{step}/agents/3")["role"] for step in (1, 2, 3)] == [
        "agent",
        "user",
        "user",
    ]
    assert "drama" in client.json(f"/recagent/{taken}/agents/1")["interest"]

    given = client.post(f"/api/runs/{taken}/give", {"at": 3, "agent": 3}).json["run"]
    until_settled(client, given)
    assert schedule_of(given)[-1] == {**schedule_of(taken)[-1], "until": 3}
    assert client.json(f"/api/runs/{given}/steps/3/agents/3")["role"] == "agent"
    client.post(f"/api/runs/{given}/control", {"action": "play"})
    while (found := client.json(f"/api/runs/{given}"))["status"] == "playing":
        assert time.monotonic() < end
        assert found["prompt"] is None  # its own mind decides again
        time.sleep(0.1)
    assert found["status"] == "finished"
    for run in (edited, taken, given):
        client.post(f"/api/runs/{run}/control", {"action": "stop"})


def test_impossible_changes_are_one_line(client):
    for path, body in (
        ("edit", {"at": 2, "agent": AGENTS, "values": {"age": 30}}),
        ("edit", {"at": 2, "agent": 0, "values": {"shoe": 30}}),
        ("take", {"at": 2, "agent": AGENTS}),
        ("give", {"at": 2, "agent": 0}),
        ("fork", {"at": 2, "set": {"seed": "x"}}),
        ("fork", {"at": 2, "set": {"nonsense": 1}}),
        ("interview", {"step": 99, "agent": 0, "question": "Hi"}),
        ("interview", {"step": 1, "agent": AGENTS, "question": "Hi"}),
    ):
        answer = client.post(f"/api/runs/town/{path}", body)
        assert answer.status == 422, (path, answer)
        assert "\n" not in answer.json["error"]


def test_the_graph_around_an_agent_holds_the_agent_and_its_friends(client):
    whole = client.json("/api/runs/town/steps/3/graph")
    friends = {link["target"] for link in whole["links"] if link["source"] == 7}
    around = client.json("/api/runs/town/steps/3/graph?ego=7")
    assert {node["id"] for node in around["nodes"]} == {7, *friends}
    assert (around["n_agents"], around["clusters"]) == (AGENTS, whole["clusters"])
    missing = client.get(f"/api/runs/town/steps/3/graph?ego={AGENTS}")
    assert (missing.status, missing.json["error"].count("no agent")) == (404, 1)


def test_what_is_watched_live_is_answered_from_the_latest_state(client):
    last = client.json("/api/runs/town")["n_steps"]
    for path in ("steps/{}", "steps/{}/graph", "steps/{}/agents/3"):
        latest = client.json(f"/api/runs/town/{path.format(last)}")
        assert client.json(f"/api/runs/town/{path.format(1)}?live=1") == latest, path
        assert client.json(f"/api/runs/town/{path.format(1)}") != latest, path


def test_the_form_offers_names_and_a_fork_knows_its_settings(client):
    schemas = {world["name"]: world["schema"]["properties"] for world in client.json("/api/worlds")}
    for world in ("feed", "society"):
        assert {"recgpt", "item_knn"} <= set(schemas[world]["recommender"]["examples"])
    assert {"linucb", "item_knn"} <= set(schemas["gym"]["policy"]["examples"])
    changeable = client.json("/api/runs/town")["changeable"]
    assert "active_prob" in changeable
    assert "seed" not in changeable


def test_settings_as_yaml_and_back(client):
    text = client.post("/api/config/export", {"world": "society", "config": {"agents": 7, "rounds": 3}}).json["yaml"]
    assert "agents: 7" in text
    config = client.post("/api/config/import", {"world": "society", "yaml": text}).json["config"]
    assert (config["agents"], config["rounds"]) == (7, 3)
    for yaml in ("- 1", "agents: [", "agents: 0", "agentz: 3", "seed: &a [*a]", "x: " + "9" * 5000):
        answer = client.post("/api/config/import", {"world": "society", "yaml": yaml})
        assert answer.status == 422, yaml
        assert "\n" not in answer.json["error"]
    for world in client.json("/api/worlds"):
        assert {"name", "step_name", "description", "schema", "defaults"} == set(world)
        assert set(world["defaults"]) <= set(world["schema"]["properties"])
