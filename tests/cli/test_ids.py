"""Ids in, ids out on the command line: histories by id and by user, columns of other names, items without a title."""

import json

import pytest

from recgpt.data.catalogue_file import read_catalogue
from recgpt.errors import DataError

ITEMS = "007,Heat; the film\n7,Casino\n0439023483,\n12,Toy Story\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = "item_id,title,description\n" + ITEMS.replace("\n", ",words\n")
    (tmp_path / "items.csv").write_text(texts)
    (tmp_path / "shop.csv").write_text(texts.replace("item_id,title", "sku,name", 1))
    past = "user_id,item_id,timestamp\nu1,7,1700000100\nu1,007,1700000000\n27,12,1700000000\n"
    (tmp_path / "past.csv").write_text(past)
    (tmp_path / "sales.csv").write_text(past.replace("user_id,item_id,timestamp", "customer,sku,at", 1))
    return tmp_path


def recommended(run_recgpt, *arguments) -> dict:
    done = run_recgpt("recommend", *arguments, "--json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_ids_are_kept_as_they_are_written(run_recgpt, shop):
    found = recommended(run_recgpt, "--items", "items.csv", "--history-ids", "0439023483,7", "-k", 50)
    assert found["history_ids"] == ["0439023483", "7"]
    assert found["history"] == ["0439023483", "Casino"], "an item without a title is shown by its id"
    assert {each["item_id"]: each["title"] for each in found["recommendations"]} == {
        "007": "Heat; the film",
        "12": "Toy Story",
    }


@pytest.mark.parametrize("history", [r"Heat\; the film; Casino", r"heat\; the;7"])
def test_titles_with_a_semicolon(run_recgpt, shop, history):
    found = recommended(run_recgpt, "--items", "items.csv", "--history", history.replace(";7", "; Casino"))
    assert found["history_ids"] == ["007", "7"]


def test_a_title_with_a_semicolon_alone_needs_no_escape(run_recgpt, shop):
    assert recommended(run_recgpt, "--items", "items.csv", "--history", "Heat; the film")["history_ids"] == ["007"]


@pytest.mark.parametrize(("user", "history"), [("u1", ["007", "7"]), ("27", ["12"])])
def test_the_history_of_a_user(run_recgpt, shop, user, history):
    found = recommended(run_recgpt, "--items", "items.csv", "--interactions", "past.csv", "--user", user)
    assert found["history_ids"] == history, "in order of time"


def test_columns_with_other_names(run_recgpt, shop):
    columns = ("--item-column", "sku", "--title-column", "name", "--user-column", "customer", "--time-column", "at")
    found = recommended(run_recgpt, "--items", "shop.csv", "--interactions", "sales.csv", "--user", "u1", *columns)
    assert found["history_ids"] == ["007", "7"]


def test_a_data_set_folder(run_recgpt, shop):
    from recgpt.testing import made_up_dataset

    dataset = made_up_dataset()
    dataset.save(shop / "d")
    found = recommended(run_recgpt, "--items", "d", "--user", "3")
    assert found["history_ids"] == dataset.sequences[3].tolist()


def test_an_explanation_has_ids(run_recgpt, shop):
    done = run_recgpt("explain", "--items", "items.csv", "--history-ids", "007", "--item-id", "0439023483", "--json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["row"], found["item_id"], found["title"]) == (2, "0439023483", "0439023483")
    assert [each["item_id"] for each in found["history"]] == ["007"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "no history is given: pass exactly one of --history, --history-ids and --user"),
        (("--history", "Heat", "--user", "u1"), "--history and --user are given"),
        (("--history-ids", "8"), "--history-ids '8' is not among the 4 ids"),
        (("--user", "u1"), "read from past interactions: pass --interactions FILE"),
        (("--user", "u9", "--interactions", "past.csv"), "--user 'u9' is not among the 2 ids of past.csv"),
        (("--history", "Heat", "--title-column", "name"), "has no column 'name' (it has item_id, title, description)"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(run_recgpt, shop, arguments, part):
    done = run_recgpt("recommend", "--items", "items.csv", *arguments)
    assert done.code == 2
    assert part in " ".join(done.stderr.split())


def test_a_catalogue_that_cannot_be_read_is_refused(shop):
    (shop / "empty.csv").write_text("item_id,title\n")
    with pytest.raises(DataError, match=r"empty\.csv has a header line and no rows"):
        read_catalogue(shop / "empty.csv")
    with pytest.raises(DataError, match=r"shop\.csv has no column 'title'"):
        read_catalogue(shop / "shop.csv")
