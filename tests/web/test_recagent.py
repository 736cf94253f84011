"""RecAgent's published calls: their shapes, and that questions and reads change nothing."""

import http.client

from served import AGENTS, ROUNDS

from recgpt.simulate.store import Run

AGENT = {"id", "name", "gender", "age", "traits", "status", "interest", "feature", "role", "event"}
AGENT |= {f"{name}_url" for name in ("avatar", "idle", "watching", "chatting", "posting")}
EVENT = {"start_time", "end_time", "duration", "target_agent", "action_type"}


def test_agents_have_the_published_fields(client):
    found = client.json("/recagent/agents")
    assert [each["id"] for each in found] == list(range(AGENTS))
    assert set(found[0]) == AGENT
    assert set(found[0]["event"]) == EVENT
    assert client.json("/recagent/town/agents/3") == found[3]
    wanted = found[5]["name"].split()[0]
    assert found[5] in client.json(f"/recagent/agents?query={wanted}")
    assert client.json(f"/recagent/search/?query={wanted}") == client.json(f"/recagent/agents?query={wanted}")
    busy = [each for each in found if each["event"]["action_type"] != "idle"]
    assert client.json("/recagent/active-agents") == busy
    assert busy
    assert all(each["event"]["duration"] > 0 for each in busy)


def test_histories_ties_and_figures(client):
    assert client.json("/recagent/rounds") == ROUNDS
    watched, heard = client.json("/recagent/watched-history/1"), client.json("/recagent/heared-history/1")
    assert all(isinstance(title, str) for title in [*watched, *heard])
    assert len(watched) <= 10
    ties = client.json("/recagent/relationships")
    assert set(ties[0]) == {"source", "target", "name"}
    assert max(sum(tie["source"] == agent for tie in ties) for agent in range(AGENTS)) <= 5
    stat = client.json("/recagent/system-stat")
    assert set(stat["recommender"]) == {
        *("tot_user_num", "cur_user_num", "tot_item_num", "inter_num", "rec_model", "pop_items")
    }
    assert set(stat["social"]) == {
        *("tot_user_num", "cur_user_num", "tot_link_num", "chat_num", "cur_chat_num"),
        *("post_num", "pop_items", "network_density"),
    }
    with Run.open("town") as run:
        assert stat["recommender"]["inter_num"] == run.counts_by_kind()["watched"]
    assert stat["recommender"]["rec_model"] == "popularity"
    messages = client.json("/recagent/messages")
    assert messages == client.json("/recagent/messages")  # every reader gets all, whoever read before
    assert set(messages[0]) == {"agent_id", "action", "content"}
    assert client.json(f"/recagent/messages?round={ROUNDS}") == messages
    assert client.json("/recagent/role-play") == -1
    assert client.get("/recagent/asset/watching.svg").headers["content-type"] == "image/svg+xml"


def test_reads_and_interviews_leave_no_trace(client, runs):
    def state():
        with Run.open("town") as run:
            return run.hash, run.n_rows, run.calls_summary(), run.manifest

    before = state(), sorted(path.name for path in runs.iterdir())
    assert "I am " in client.json("/recagent/interview-agents/2?query=What%20did%20you%20watch%3F")
    assert client.get("/recagent/interview-agents/99?query=Hi").status == 422
    client.json("/recagent/configs")
    assert (state(), sorted(path.name for path in runs.iterdir())) == before


def test_changes_need_the_csrf_value(client):
    for method, path in (
        ("PUT", "/recagent/agents/1"),
        ("PATCH", "/recagent/relationships?source=0&target=1&label=friend"),
        ("PATCH", "/recagent/configs"),
        ("POST", "/recagent/start"),
        ("POST", "/recagent/reset"),
    ):
        assert client.send(method, path, {}).status == 403
    assert client.post("/recagent/agents/1", {"age": -5}, "PUT").status == 422
    assert client.post("/recagent/configs", {"dataset": "/etc"}, "PATCH").status == 422
    unchanged = client.json("/recagent/agents/1")
    assert client.post("/recagent/agents/1", unchanged, "PUT").json == unchanged


def test_configs_hold_no_key(client, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret-secret")
    answer = client.get("/recagent/configs")
    assert "sk-secret" not in answer.text
    assert answer.json["llm"]["key_env"] == "OPENAI_API_KEY"  # a name, no key
    assert answer.json["rounds"] == ROUNDS


def test_role_play_of_other_sites_and_without_a_player_is_refused(client):
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": f"http://127.0.0.1:{client.port}"}):
        connection = http.client.HTTPConnection("127.0.0.1", client.port)
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        connection.request("GET", "/recagent/role-play/0", headers=upgrade | {"Sec-WebSocket-Key": "AA=="} | headers)
        assert connection.getresponse().status in (400, 403, 404)
        connection.close()


def test_runs_of_other_worlds_and_missing_runs_are_refused(client):
    assert client.get("/recagent/none/agents").status == 404
