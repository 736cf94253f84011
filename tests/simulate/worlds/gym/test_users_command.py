"""`recgpt gym users`: files, shares, previews, a language model with faults, and errors that name the right values."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recgpt.cli.main import main
from recgpt.simulate.worlds.gym.domains.movies import KINDS
from recgpt.simulate.worlds.gym.people import draw_people
from recgpt.simulate.worlds.gym.user_files import levels_path, read_users

PORTRAIT = {
    "name": "Ana Lima",
    "gender": "F",
    "description": "She is A teacher of mathematics who sails on Sundays.\nShe likes quiet films.",
}


@pytest.fixture
def gym_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in a folder of its own: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["recgpt", "gym", "users", "--dir", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def stub(stub_module: ModuleType) -> Iterator[Any]:
    with stub_module.Stub() as serving:
        yield serving


def test_the_file_has_the_people_of_the_seed_with_the_published_columns(gym_users, tmp_path):
    code, out, _ = gym_users("--num", "12", "--seed", "3", "--file-name", "people")
    assert code == 0
    users = read_users(tmp_path / "people.csv")
    assert users.names == [person.name for person in draw_people(12, KINDS["sampled_genres"].tastes, seed=3)]
    assert levels_path(tmp_path / "people.csv").is_file()
    assert out.count("years old") == 3
    assert "conformity" in out
    again, _, err = gym_users("--num", "12", "--file-name", "people.csv")
    assert again == 2
    assert "people.csv exists already: choose another --file-name or overwrite it (--overwrite)" in err
    assert gym_users("--num", "5", "--file-name", "people", "--overwrite")[0] == 0
    assert len(read_users(tmp_path / "people.csv")) == 5


def test_json_has_shares_beside_their_targets(gym_users):
    code, out, _ = gym_users("--domain", "books", "--kind", "sampled", "--num", "400", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["people"] == 400
    history = next(each for each in report["shares"] if (each["fact"], each["value"]) == ("liked", "history"))
    assert abs(history["share"] - history["target"]) < 0.1


def test_the_share_without_favourites_is_that_of_the_flag(gym_users, tmp_path):
    for share, expected in (("0", 40), ("1", 0)):
        gym_users("--num", "40", "--split-without-film-interest", share, "--overwrite")
        found = sum("favourites" in text for text in read_users(tmp_path / "users.csv").descriptions)
        assert found == pytest.approx(expected, abs=0 if share == "1" else 2)


def test_published_lists_of_hobbies_and_jobs_are_used_where_given(gym_users, tmp_path, shared):
    folder = shared / "data/simulate/emosim"
    assert gym_users("--num", "60", "--kind", "basic", "--lists", str(folder))[0] == 0
    known = (folder / "hobbies.csv").read_text() + (folder / "hobbies_children.csv").read_text()
    assert all(hobby in known for hobby in read_users(tmp_path / "users.csv").hobbies)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kind", "nope"), "--kind nope: no such user data set of movies: choose among detailed, basic, sampled"),
        (("--domain", "games"), "no domain 'games': choose among movies, books"),
        (("--file-name", "a/b"), "--file-name 'a/b': letters, digits and _ . @ + - are allowed"),
        (("--mind", "replay"), "--mind replay: people are described by one of scripted, llm"),
        (("--items", "nowhere"), "nowhere holds no catalogue"),
    ],
)
def test_wrong_values_are_refused_with_the_right_ones(gym_users, tmp_path, arguments, message):
    code, _, err = gym_users(*arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert not list(tmp_path.iterdir())


# --- a language model ---


def with_model(stub: Any, *more: str) -> tuple[str, ...]:
    return ("--llm-model", "stub", "--base-url", stub.base_url, "--key-env", "", *more)


def test_a_language_model_writes_the_texts_and_failures_are_left_out_and_counted(
    gym_users, tmp_path, stub, stub_module
):
    texts = iter([json.dumps(PORTRAIT)] * 100)

    def reply(user: str, seen: int) -> Any:
        if "Age: 60" in user:  # one of the people: a reply without a description, both times
            return stub_module.Fault(text=json.dumps({"name": "X Y", "gender": "F"}))
        return stub_module.Fault(text=next(texts))

    stub.fault = reply
    code, out, _ = gym_users(*with_model(stub, "--num", "6", "--json"))
    report = json.loads(out)
    drawn = draw_people(6, KINDS["sampled_genres"].tastes, seed=0)
    n_failed = sum(person.age == 60 for person in drawn)
    assert code == 0
    assert report["failures"] == {"schema_violation": n_failed}
    assert report["people"] == 6 - n_failed
    assert report["cost"]["calls"] == 6 + n_failed
    users = read_users(tmp_path / "users.csv")
    assert set(users.descriptions) == {"a teacher of mathematics who sails on Sundays. She likes quiet films."}
    assert set(users.names) == {"Ana Lima"}
    prompt = stub.bodies[0]["messages"][-1]["content"]
    assert drawn[0].hobby in prompt or drawn[1].hobby in prompt


def test_a_language_model_chooses_tags_of_the_detailed_kind_among_the_eight(gym_users, tmp_path, stub, stub_module):
    chosen = {**PORTRAIT, "liked": ["horror", "comedy"], "disliked": ["comedy", "romance"]}
    stub.fault = lambda user, seen: stub_module.Fault(text=json.dumps(chosen))
    assert gym_users(*with_model(stub, "--num", "3", "--kind", "detailed"))[0] == 0
    users = read_users(tmp_path / "users.csv")
    assert users.liked == [("horror", "comedy")] * 3
    assert users.disliked == [("romance",)] * 3
    stub.fault = lambda user, seen: stub_module.Fault(text=json.dumps({**chosen, "liked": ["westerns"]}))
    code, out, _ = gym_users(*with_model(stub, "--num", "2", "--kind", "detailed", "--seed", "1", "--overwrite"))
    assert code == 1
    assert "failed: 2 of 2 people, who are left out" in out


@pytest.mark.parametrize(
    "wrong", [{"name": "json"}, {"name": "Age 54"}, {"description": "a cook who sails. He sails. He sails."}]
)
def test_labels_and_repetitions_are_failures(gym_users, stub, stub_module, wrong):
    stub.fault = lambda user, seen: stub_module.Fault(text=json.dumps({**PORTRAIT, **wrong}))
    code, out, _ = gym_users(*with_model(stub, "--num", "1"))
    assert code == 1
    assert "failed: 1 of 1 people, who are left out" in out


def test_a_wrong_key_stops_at_once_and_a_cap_keeps_the_people_before_it(
    gym_users, tmp_path, stub, stub_module, monkeypatch
):
    stub.fault = lambda user, seen: stub_module.Fault(status=401)
    code, _, err = gym_users(*with_model(stub, "--num", "3"))
    assert code == 2
    assert "refuses a call without a key" in err
    assert len(stub.bodies) <= 3
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("recgpt.simulate.worlds.gym.people_texts.BLOCK", 4)
    stub.fault = lambda user, seen: stub_module.Fault(text=json.dumps(PORTRAIT))
    code, _, err = gym_users(*with_model(stub, "--num", "8", "--max-calls", "5", "--file-name", "capped"))
    assert code == 2
    assert "has the 4 people described before this error" in err
    assert len(read_users(tmp_path / "capped.csv")) == 4
