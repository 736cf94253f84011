"""`recgpt gym play`: every flag and value in both domains, users, replays, what is printed and written."""

import csv

import numpy as np
import pytest

from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.playing import ItemList
from recgpt.simulate.worlds.gym.policies.base import Views
from recgpt.simulate.worlds.gym.telling import CSV_COLUMNS

VALUES = {
    "--items-retrieval": ("none", "last_3", "most_similar_3", "simple_3", "decay_emotion_3", "last_1"),
    "--perturbator": ("none", "gaussian", "greedy"),
    "--reward-shaping": ("identity", "exp_decay_time", "random_watch", "same_film_terminate", "churn_satisfaction"),
    "--churn-ema-alpha": (0.2, 0.1, 1),
    "--churn-low-threshold": (4.0, 2),
    "--churn-low-streak-threshold": (2, 1),
    "--churn-min-steps": (5, 1),
    "--churn-prob-scale": (0.3, 0),
    "--churn-ema-min-samples": (1, 3),
    "--churn-recovery-bonus": (0.0, 0.5),
    "--decay-time-lambda": (0.15, 0),
    "--emotion-bonus": (0.2, 1),
    "--consider-arousal": (None, ""),
    "--valence-positive-threshold": (3, 3.5),
    "--valence-negative-threshold": (2, 1.5),
    "--arousal-high-threshold": (4, 4.5),
    "--arousal-low-threshold": (2, 1.5),
    "--seed": (42, 7),
    "--observation": ("compact", "published"),
    "--history-length": (10, 1),
    "--max-episode-steps": (200, 2),
    "--across-episodes": (None, ""),
    "--llm-model": ("scripted",),
    "--policy": ("random", "popularity", "average", "oracle", "linucb", "thompson", "item_knn", "hybrid_knn"),
    "--render": ("human", "ansi", "csv"),
    "--quiet": (None, ""),
    "--num-users": (1, 2),
    "--user-start-id": (0, 3),
}
"""Published flags and those of the command, with the values that they are played with; None leaves a flag out."""


def rounds(domain: str) -> list[list[str]]:
    """Arguments of as many plays as it takes for every value of every flag."""
    known = domain_of(domain)
    books = domain == "books"
    values = VALUES | {
        "--user-dataset": known.user_datasets,
        "--book-dataset" if books else "--film-dataset": (
            "books_amazon/postprocessed_books" if books else "movielens_latest-small",
        ),
    }
    longest = max(map(len, values.values()))
    return [
        [
            f"{flag}={value}" if value != "" else flag
            for flag, some in values.items()
            if (value := some[number % len(some)]) is not None
        ]
        for number in range(longest)
    ]


@pytest.mark.parametrize("domain", ["movies", "books"])
def test_every_flag_and_value_plays_three_steps(run_recgpt, domain):
    for arguments in rounds(domain):
        done = run_recgpt("gym", "play", "--domain", domain, "--max-steps", 3, *arguments)
        assert done.code == 0, (arguments, done.stderr)
        assert done.stdout


def test_a_line_tells_what_was_shown_recalled_rated_and_felt(run_recgpt):
    done = run_recgpt("gym", "play", "--render", "ansi", "--max-steps", 12, "--user-start-id", 1)
    lines = done.stdout.splitlines()
    assert " years old, " in lines[0]
    assert lines[1].startswith("likes ")
    assert lines[2].startswith("activity: ")
    assert lines[3].startswith("1. ")
    assert "; average " in lines[3]
    assert lines[4].startswith("   rates ")
    assert "satisfaction " in lines[4]
    assert any(line.startswith("   recalls ") and "(rated " in line for line in lines)
    assert lines[-1].startswith("1 episode, 12 films: average rating ")


def test_users_follow_each_other_and_the_seed_decides(run_recgpt):
    def users(*arguments: object) -> list[str]:
        out = run_recgpt("gym", "play", "--render", "csv", "--max-steps", 1, *arguments).stdout.splitlines()
        return [row["user_id"] for row in csv.DictReader(out)]

    in_order = users("--num-users", 3, "--user-start-id", 4)
    assert len(set(in_order)) == 3
    assert users("--num-users", 1, "--user-start-id", 5) == in_order[1:2]
    assert users("--num-users", 3, "--seed", 1) == users("--num-users", 3, "--seed", 1)
    assert users("--num-users", 3, "--seed", 1)[1:] == users("--num-users", 2, "--seed", 2)


def test_users_leave_and_the_lines_say_why(run_recgpt, tmp_path):
    churn = ("--reward-shaping", "churn_satisfaction", "--churn-low-threshold", 10, "--churn-min-steps", 3)
    done = run_recgpt("gym", "play", *churn, "--max-steps", 9, "--output-csv", tmp_path / "steps.csv")
    assert "   leaves: low ratings in a row" in done.stdout
    assert "1 left" in done.stdout
    with (tmp_path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [row["low_streak"] for row in rows] == ["1", "2", "3"]
    assert [row["terminated"] for row in rows] == ["0", "0", "1"]
    assert {row["user_session"] for row in rows} == {"0"}


@pytest.mark.parametrize("column", ["item_id", "movie_id", "id"])
def test_a_replay_shows_its_items_and_a_written_file_replays(run_recgpt, tmp_path, column):
    play = ("gym", "play", "--render", "csv", "--seed", 3)
    first = list(csv.DictReader(run_recgpt(*play, "--max-steps", 4).stdout.splitlines()))
    (tmp_path / "shown.csv").write_text("\n".join([f"note,{column}", *(f"x,{row['movie_id']}" for row in first)]))
    again = run_recgpt(*play, "--replay-csv", tmp_path / "shown.csv", "--output-csv", tmp_path / "steps.csv")
    assert list(csv.DictReader(again.stdout.splitlines())) == first
    third = run_recgpt(*play, "--replay-csv", tmp_path / "steps.csv")
    assert third.stdout == again.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title\nHeat\n", "has no column item_id, movie_id, id: it has title"),
        ("", "has no column item_id, movie_id, id: it has none"),
        ("item_id\n", "has no rows"),
        ("item_id\nno such\n", "line 2: no item 'no such' among the "),
        (b"item_id\n\xff\xfe\n", "is no CSV file in UTF-8"),
    ],
)
def test_a_wrong_replay_is_refused(run_recgpt, tmp_path, content, message):
    path = tmp_path / "shown.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run_recgpt("gym", "play", "--replay-csv", path)
    assert done.code == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--policy", "linuc"),
            "no policy 'linuc': choose among random, popularity, average, oracle, linucb, thompson",
        ),
        (("--replay-csv", "lost.csv"), "lost.csv"),
        (("--output-csv", "."), "is a folder: name a file in it"),
        (("--user-start-id", 599, "--num-users", 2), "there are 600 users, numbered from 0"),
        (("--max-steps", 0), "--max-steps"),
        (("--render", "html"), "'human', 'ansi', 'csv'"),
        (("--model", "lost"), "lost"),
    ],
)
def test_wrong_options_are_refused(run_recgpt, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = run_recgpt("gym", "play", *arguments)
    assert done.code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_an_item_list_follows_the_steps_of_each_episode():
    step_E, none = np.array([1, 3]), np.zeros((2, 0))
    views = Views(step_E, step_E, step_E, none, none, lambda: np.ones((2, 9), dtype=bool))
    assert ItemList([5, 6, 7]).act(views).tolist() == [5, 7]


@pytest.mark.parametrize(("domain", "alpha"), [("movies", 0.1), ("books", 0.3)])
def test_published_demos_have_their_defaults(run_script, monkeypatch, tmp_path, domain, alpha):
    shown = []
    monkeypatch.setattr("recgpt.simulate.worlds.gym.inputs.load_inputs", lambda rules: shown.append(rules) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_script(f"demos/run_env_{domain}.py")
    rules = shown[0]
    assert (rules.domain, rules.rater, rules.retrieval) == (domain, "0Shot_cotlite_our", "decay_emotion_3")
    assert (rules.consider_arousal, rules.shaping) == (True, "churn_satisfaction")
    assert (rules.churn_ema_alpha, rules.churn_low_threshold) == (alpha, 2)


def test_a_published_demo_writes_the_published_columns(run_script, tmp_path):
    done = run_script("demos/run_env_movies.py", "--quiet", "--num-users", 2, "--output-csv", tmp_path / "steps.csv")
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("2 episodes, ")
    assert (tmp_path / "steps.csv").read_text().splitlines()[0] == ",".join(CSV_COLUMNS)
