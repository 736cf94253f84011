"""The waiting line: order, batches, one thread, refusals, failures, the end."""

import asyncio
import threading
import time

import pytest

from recgpt.web.serving.waiting import BusyError, WaitingLine


class Recorder:
    """Work that notes its batches; a gate keeps the first one in hand."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.began = threading.Event()

    def rank(self, arguments):
        self.began.set()
        assert self.gate.wait(timeout=10)
        self.threads.add(threading.get_ident())
        self.batches.append(("rank", list(arguments)))
        return [ValueError(argument) if argument < 0 else 10 * argument for argument in arguments]

    def observe(self, arguments):
        self.threads.add(threading.get_ident())
        self.batches.append(("observe", list(arguments)))
        return arguments


async def first_in_hand(line: WaitingLine, recorder: Recorder) -> "asyncio.Task":
    """A job that the thread works already, so that all others wait."""
    task = asyncio.create_task(line.call(recorder.rank, 0))
    await asyncio.to_thread(recorder.began.wait, 10)
    return task


def played(scenario, **limits):
    async def play():
        line, recorder = WaitingLine(**limits), Recorder()
        line.start()
        first = await first_in_hand(line, recorder)
        try:
            return await scenario(line, recorder, first), recorder
        finally:
            recorder.gate.set()
            await line.close()

    return asyncio.run(play())


def test_what_waits_together_is_worked_together_in_order_on_one_thread():
    async def scenario(line, recorder, first):
        calls = [(recorder.rank, 1), (recorder.rank, 2), (recorder.observe, 3), (recorder.rank, 4), (recorder.rank, 5)]
        tasks = [asyncio.create_task(line.call(*call)) for call in calls]
        await asyncio.sleep(0)
        recorder.gate.set()
        return await asyncio.gather(first, *tasks)

    answers, recorder = played(scenario)
    assert answers == [0, 10, 20, 3, 40, 50]
    assert recorder.batches == [("rank", [0]), ("rank", [1, 2]), ("observe", [3]), ("rank", [4, 5])]
    assert len(recorder.threads) == 1


def test_a_batch_has_a_largest_size():
    async def scenario(line, recorder, first):
        tasks = [asyncio.create_task(line.call(recorder.rank, number)) for number in range(7)]
        await asyncio.sleep(0)
        recorder.gate.set()
        await asyncio.gather(first, *tasks)

    _, recorder = played(scenario, most_together=3)
    assert [len(batch) for _, batch in recorder.batches] == [1, 3, 3, 1]


def test_a_full_line_refuses_and_a_long_wait_ends():
    async def scenario(line, recorder, first):
        late = asyncio.create_task(line.call(recorder.rank, 1))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="1 requests wait already"):
            await line.call(recorder.rank, 2)
        time.sleep(0.06)
        recorder.gate.set()
        with pytest.raises(BusyError, match="waited"):
            await late
        return await first

    answer, recorder = played(scenario, most_waiting=1, patience_s=0.05)
    assert answer == 0
    assert recorder.batches == [("rank", [0])]


def test_one_failure_is_that_of_its_caller_and_a_fault_is_that_of_the_batch():
    def broken(_arguments):
        raise RuntimeError("a fault")

    async def scenario(line, recorder, first):
        calls = [(recorder.rank, 1), (recorder.rank, -2), (broken, 3), (recorder.rank, 4)]
        tasks = [asyncio.create_task(line.call(*call)) for call in calls]
        await asyncio.sleep(0)
        recorder.gate.set()
        return await asyncio.gather(first, *tasks, return_exceptions=True)

    answers, _ = played(scenario)
    assert [answers[0], answers[1], answers[4]] == [0, 10, 40]
    assert isinstance(answers[2], ValueError)
    assert str(answers[3]) == "a fault"


def test_a_cancelled_caller_is_left_out_and_the_end_waits_for_the_rest():
    async def scenario(line, recorder, first):
        gone, stays = (asyncio.create_task(line.call(recorder.rank, number)) for number in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        closing = asyncio.create_task(line.close())
        await asyncio.sleep(0)
        recorder.gate.set()
        await closing
        return await asyncio.gather(first, stays)

    answers, recorder = played(scenario)
    assert answers == [0, 20]
    assert recorder.batches == [("rank", [0]), ("rank", [2])]
