"""Published addresses of Generative Agents' pages lead to the view of a run, and to nothing else."""

import pytest


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/simulator_home", "/runs/town"),
        ("/replay/my_town/120/", "/runs/my_town#tick=120&play=60"),
        ("/replay/my_town/120", "/runs/my_town#tick=120&play=60"),
        ("/demo/my_town/1/2/", "/runs/my_town#tick=1&play=60"),
        ("/demo/my_town/1/6", "/runs/my_town#tick=1&play=600"),
        ("/replay_persona_state/my_town/9/Isabella_Rodriguez/", "/runs/my_town#tick=9&name=Isabella+Rodriguez"),
        ("/replay_persona_state/t/9/%22%3E%3Cscript%3E/", "/runs/t#tick=9&name=%22%3E%3Cscript%3E"),
        ("/replay/..%2f..%2fetc/1/", None),
        ("/replay/%2f%2fevil.example/1/", None),
        ("/replay/-x/1/", "/"),
        ("/replay/my_town/1e9/", "/runs/my_town#play=60"),
        ("/replay/my_town/99999999999999999999/", "/runs/my_town#play=60"),
    ],
)
def test_published_addresses_lead_to_the_run(client, path, place):
    answer = client.get(path)
    if place is None:  # no route, or the list of runs: nothing of the address is a path
        assert answer.status == 404 or (answer.status, answer.headers["location"]) == (307, "/")
        return
    assert answer.status == 307
    assert answer.headers["location"] == place
