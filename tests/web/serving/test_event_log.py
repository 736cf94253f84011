"""The log of observed events: whole calls or none, whatever happens to the file."""

import errno
import os

import polars as pl
import pytest

from recgpt.errors import DataError, StorageError
from recgpt.web.serving.event_log import Event, EventLog
from recgpt.web.serving.service import RankRequest

CALLS = [
    [Event("u1", "sku-01"), Event("u2", "007", 1_700_000_000), Event("ü\n\ud800", "b/7 ü")],
    [Event("u1", "sku-02", 0)],
    [Event("u3", "sku-03"), Event("u3", "sku-04")],
]


def written(path, calls=CALLS):
    with EventLog.open(path) as log:
        for events in calls:
            log.append([events])


def replayed(path):
    with EventLog.open(path) as log:
        return log.replayed


def test_events_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "observed.jsonl"
    written(path, CALLS[:2])
    written(path, CALLS[2:])
    assert replayed(path) == [event for events in CALLS for event in events]
    numbers = [[Event(1, 7), Event(-2, 2**63 - 1, 5)]]
    written(tmp_path / "numbers", numbers)
    assert replayed(tmp_path / "numbers") == numbers[0]


def test_a_log_that_is_cut_at_any_byte_keeps_whole_calls_and_goes_on(tmp_path):
    path = tmp_path / "observed.jsonl"
    written(path)
    content = path.read_bytes()
    ends, end = [0], 0
    for events in CALLS:
        end += sum(len(line) for line in content[end:].splitlines(keepends=True)[: len(events)])
        ends.append(end)
    near = {end + step for end in ends for step in (-2, -1, 0, 1, 9)}
    for cut in sorted({*range(0, len(content), 40), *near} & {*range(len(content))}):
        path.write_bytes(content[:cut])
        n_whole = sum(end <= cut for end in ends[1:])
        whole = [event for events in CALLS[:n_whole] for event in events]
        with EventLog.open(path) as log:
            assert log.replayed == whole
            assert log.torn == cut - ends[n_whole]
            log.append([CALLS[1]])
        assert replayed(path) == [*whole, *CALLS[1]]


def test_a_full_disk_leaves_nothing_of_the_call(shop, tmp_path, monkeypatch):
    path, write = tmp_path / "observed.jsonl", os.pwrite
    with EventLog.open(path) as log:
        service = shop.service()
        service.keep_in(log)
        service.observe([CALLS[1]])
        before, ranked = path.read_bytes(), service.rank([RankRequest(user="u1")])

        def full(descriptor, content, place):
            if place > len(before):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(descriptor, content[:20], place)

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match=r"space"):
            service.observe([CALLS[2]])
        assert path.read_bytes() == before
        assert service.rank([RankRequest(user="u1")]) == ranked
        monkeypatch.undo()
        assert service.observe([CALLS[2]]) == [2]
    assert replayed(path) == [*CALLS[1], *CALLS[2]]


def test_a_second_writer_is_refused(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with EventLog.open(tmp_path / "log"), ThreadPoolExecutor(1) as other:
        second = other.submit(replayed, tmp_path / "log")
        with pytest.raises(StorageError, match="is being written by another process"):
            second.result()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]\n", "line 2 is no event of a log"),
        ('{"user_id": 1, "item_id": 2}\n', "line 2 is no event of a log"),
        ('{"user_id": 1.5, "item_id": 2, "timestamp": null, "left": 0}\n', "value of a wrong type"),
        ('{"user_id": 1, "item_id": true, "timestamp": null, "left": 0}\n', "value of a wrong type"),
        ("title,x\n", "line 2 is not readable JSON"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_kept(tmp_path, line, message):
    path = tmp_path / "observed.jsonl"
    written(path, CALLS[1:2])
    path.write_text(path.read_text() + line)
    before = path.read_text()
    with pytest.raises(DataError, match=message), EventLog.open(path):
        pass
    assert path.read_text() == before


def test_a_log_of_another_catalogue_is_named(shop, tmp_path):
    written(tmp_path / "log", [[Event("u1", "gone")]])
    with EventLog.open(tmp_path / "log") as log, pytest.raises(DataError, match="log: events: 'gone' not among"):
        shop.service().keep_in(log)


def test_a_log_is_a_file_of_interactions(shop, tmp_path):
    from recgpt.data.past import item_ids, read_past_and_users

    path = tmp_path / "observed.jsonl"
    written(path, [[Event("u1", "sku-01", 1_700_000_000), Event("u2", "007")], [Event("u1", "sku-02")]])
    past, users = read_past_and_users(path, item_ids(shop.items), time_format="s")
    assert users.ids.to_list() == ["u1", "u2"]
    assert sorted(zip(past.user.tolist(), past.item.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 37)]
    assert isinstance(shop.past, pl.DataFrame)
