"""Work on threads: results in order, errors, threads of torch."""

import time

import pytest
import torch

from recgpt.parallel import on_threads


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_are_in_the_order_of_the_arguments():
    def late(place: int) -> int:
        time.sleep(0.02 if place == 0 else 0)
        return place

    assert on_threads(late, range(5)) == [0, 1, 2, 3, 4]
    assert on_threads(late, []) == []


def test_each_thread_has_one_of_torch_and_work_within_it_is_not_divided_again():
    def divided(_place: int) -> tuple[int, list[int]]:
        return torch.get_num_threads(), on_threads(lambda each: torch.get_num_threads(), range(2))

    assert on_threads(divided, range(3)) == [(1, [1, 1])] * 3
    assert torch.get_num_threads() == 2
    assert on_threads(lambda each: torch.get_num_threads(), range(2), most=1) == [2, 2]


def test_an_error_is_raised_and_torch_has_its_threads_again():
    def fails(place: int) -> None:
        if place == 1:
            raise ValueError("place 1")

    with pytest.raises(ValueError, match="place 1"):
        on_threads(fails, range(4))
    assert torch.get_num_threads() == 2
