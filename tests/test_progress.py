"""Progress on a terminal and in a log: what it says, where it says it, and that it never touches stdout."""

import io

import pytest
from rich.console import Console

from recgpt import progress
from recgpt.progress import Meter, duration, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test turns by hand."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3599, "59:59"), (3725.0, "1:02:05")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_a_log_gets_a_line_every_few_seconds_with_share_and_eta(clock, capsys):
    with Meter("encode", 1000) as meter:
        for _ in range(4):
            clock.now += 2
            meter.update(100, note="loss 1.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "encode: 300/1,000 (30 %) in 0:06, ETA 0:14 loss 1.5",
        "encode: 400/1,000 (40 %) in 0:08, ETA 0:12 done",
    ]


def test_the_eta_is_from_recent_speed_and_not_from_the_average_since_the_start(clock, capsys):
    with Meter("train", 10_000) as meter:
        for _ in range(600):  # ten minutes beside other work, a step a second
            clock.now += 1
            meter.update(1)
        for _ in range(60):  # the other work ends
            clock.now += 1
            meter.update(10)
    assert "train: 1,200/10,000 (12 %) in 11:00, ETA 14:40 done" in capsys.readouterr().err


def test_the_eta_of_steps_longer_than_the_recent_time_is_from_the_last_of_them(clock, capsys):
    with Meter("episodes", 10) as meter:
        for seconds in (300, 60, 60):
            clock.now += seconds
            meter.update(1)
    assert capsys.readouterr().err.splitlines()[-1] == "episodes: 3/10 (30 %) in 7:00, ETA 7:00 done"


def test_the_eta_counts_down_between_updates_and_never_below_zero(clock):
    meter = Meter("encode", 4)
    assert meter.eta == "?"
    clock.now += 20
    meter.update(1)
    assert meter.eta == "1:00"
    clock.now += 15
    assert meter.eta == "0:45"
    clock.now += 100
    assert meter.eta == "0:00"


def test_a_million_updates_keep_a_bounded_number_of_samples(clock):
    meter = Meter("rows", 1_000_000)
    for _ in range(100_000):
        clock.now += 0.001
        meter.update(1)
    assert len(meter._speed._samples) <= progress.RECENT_S / progress._SAMPLE_S + 2


def test_the_eta_of_a_resumed_job_counts_only_what_was_done_since(clock, capsys):
    with Meter("train", 100, done=80) as meter:
        clock.now += 10
        meter.update(10)
    assert capsys.readouterr().err.startswith("train: 90/100 (90 %) in 0:10, ETA 0:10")


def test_a_finished_job_that_is_started_again_says_so(capsys):
    with Meter("train", 5, done=5):
        pass
    assert capsys.readouterr().err == "train: 5/5 (100 %) in 0:00, ETA 0:00 done\n"


def test_nothing_to_do_is_done(capsys):
    with Meter("tokenize", 0):
        pass
    assert capsys.readouterr().err.startswith("tokenize: 0/0 ")


def test_a_failed_job_is_not_reported_as_done(capsys):
    with pytest.raises(RuntimeError), Meter("encode", 10):
        raise RuntimeError
    assert capsys.readouterr().err == ""


def test_a_disabled_meter_is_silent(clock, capsys):
    with Meter("encode", 10, disable=True) as meter:
        clock.now += 60
        meter.update(10)
    assert capsys.readouterr() == ("", "")


def test_track_yields_everything_in_order(capsys):
    assert list(track("abc", "letters", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("letters: 3/3 (100 %)")


def test_a_terminal_gets_a_bar_with_count_and_note(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", terminal)
    monkeypatch.setattr(progress, "console", Console(file=terminal, force_terminal=True, width=120))
    with Meter("encode", 4, done=1) as meter:
        meter.update(3, note="loss 0.5")
    shown = terminal.getvalue()
    assert "encode" in shown
    assert "4/4" in shown
    assert "ETA" in shown
    assert "loss 0.5" in shown
