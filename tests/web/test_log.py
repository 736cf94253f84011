"""The search of the log through the page: in pieces, with the lines of one search over all steps."""

import pytest
from served import ROUNDS

QUERIES = [{"limit": 1000}, {"limit": 7}, {"text": "watches"}, {"agent": 3}, {"kind": "rated"}, {"text": "in no line"}]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_pieces_of_a_search_make_one_answer(client, query):
    from recgpt.simulate.store import Run
    from recgpt.simulate.watching import watch_of

    wanted = "&".join(f"{name}={value}" for name, value in query.items()).replace(" ", "+")
    client.json(f"/api/runs/town/frames/{ROUNDS}")
    found = client.json(f"/api/runs/town/log?step={ROUNDS}&{wanted}")
    with Run.open("town") as run:
        watch = watch_of(run)
        for rows in run.iter_steps():
            watch.add(rows)
        assert found == watch.log(ROUNDS, **query)
    assert bool(found) == (query.get("text") != "in no line")
