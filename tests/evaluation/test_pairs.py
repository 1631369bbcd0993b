"""Predictions and truth that are read side by side."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.evaluation.benchmarks.pairs import another_number, side_by_side
from singleout.evaluation.memory import reuse_freed_memory


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "singleout-read-ahead"]


def failing_at(place: int):
    def read(key: int) -> int:
        if key == place:
            raise InputError(f"file {key} is broken")
        return key

    return read


def test_pairs_come_in_order():
    keys = list(range(50))
    found = list(side_by_side(keys, lambda key: ("found", key), lambda key: ("true", key)))
    assert found == [(("found", key), ("true", key)) for key in keys]
    assert list(side_by_side([], str, str)) == []


def test_both_sides_are_read_at_the_same_time():
    met = threading.Barrier(2, timeout=20)

    def read(key: int) -> int:
        # The second side starts when the first one has its first item.
        if key > 0:
            met.wait()
        return key

    assert list(side_by_side(range(4), read, read)) == [(key, key) for key in range(4)]


@pytest.mark.parametrize("broken", [(7, None), (None, 7), (7, 7)])
def test_an_error_of_either_side_comes_in_its_place(broken):
    seen = []
    with pytest.raises(InputError, match="file 7 is broken"):
        for found, _ in side_by_side(range(50), *(failing_at(place) for place in broken)):
            seen.append(found)
    assert seen == list(range(7))


def test_no_thread_stays_when_somebody_stops_early():
    def first() -> int:
        for found, _ in side_by_side(range(1000), failing_at(-1), failing_at(-1)):
            return found
        return -1

    def broken() -> None:
        with pytest.raises(InputError):
            list(side_by_side(range(1000), failing_at(3), failing_at(-1)))

    assert first() == 0
    broken()
    gc.collect()
    deadline = time.monotonic() + 20
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_the_smallest_number_that_is_not_known(kind):
    numbers = np.array([[0, 3, 7], [255, 3, 9]], kind)
    assert another_number(numbers, [0, 3, 7, 9, 255]) is None
    assert another_number(numbers, [0, 3, 255]) == 7
    assert another_number(numbers, [0]) == 3
    assert another_number(numbers[:0], [0]) is None


def test_keeping_memory_may_be_asked_for_again():
    reuse_freed_memory()
    reuse_freed_memory()
