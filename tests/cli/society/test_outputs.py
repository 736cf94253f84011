"""The published outputs: the log."""

from recgpt.cli.society.outputs import log_of


def test_the_log_has_a_line_for_each_message() -> None:
    enters = {"content": "Ann enters", "agent_id": 0, "action": "RECOMMENDER"}
    says = {"content": "Ann says: hello\nBob says: hi", "agent_id": 1, "action": "CHAT"}
    assert log_of([[[enters]], [[says], []]], "log").splitlines() == [
        "log - round 1 - RECOMMENDER - agent 0: Ann enters",
        "log - round 2 - CHAT - agent 1: Ann says: hello\\nBob says: hi",
    ]
