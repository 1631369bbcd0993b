"""Independent pieces of work side by side on a CPU.

torch shares each operation among all threads, which then wait for each other and, where the next operation is small,
for Python. Pieces that do not depend on each other are done by workers instead, each with its part of the threads: a
fifth less time for the frames of four sentences on two cores.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4  # workers: each of them holds what it works on in memory

_crews: dict[tuple[int, int], ThreadPoolExecutor] = {}
_lock = threading.Lock()
_here = threading.local()
os.register_at_fork(after_in_child=_crews.clear)


def side_by_side(run: Callable[[Item], Result], items: Sequence[Item], device: torch.device) -> Iterator[Result]:
    """The result for each item, in their order; few more than there are workers are held at a time.

    Where a gradient is asked for, on other devices than a CPU, with one thread or in a worker it is a plain loop.
    run: must not change what another call of it reads. Raises what it raises.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items), MOST)
    alone = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or getattr(_here, "works", False)
    if workers < 2 or alone or device.type != "cpu":
        yield from map(run, items)
        return
    inference = torch.is_inference_mode_enabled()

    def work(item: Item) -> Result:
        with torch.inference_mode(inference), torch.no_grad():
            return run(item)

    crew = _crew(workers, threads // workers)
    waiting: deque[Future[Result]] = deque()
    # Items that would leave workers idle at the end are done here, by all threads.
    shared = len(items) - len(items) % workers
    try:
        for item in items[:shared]:
            waiting.append(crew.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
    yield from map(run, items[shared:])


def _crew(workers: int, threads: int) -> ThreadPoolExecutor:
    """Workers with so many threads each."""
    with _lock:
        if (workers, threads) not in _crews:
            before, ready = torch.get_num_threads(), threading.Barrier(workers + 1)

            def begin() -> None:
                _here.works = True
                torch.get_num_threads()  # a thread that has not asked takes the number of all when it begins to work
                torch.set_num_threads(threads)
                ready.wait()

            crew = ThreadPoolExecutor(workers, "singleout", initializer=begin)
            for _ in range(workers):
                crew.submit(int)
            ready.wait()
            # What a worker sets is its own, but threads that begin later would start from it.
            torch.set_num_threads(before)
            _crews[workers, threads] = crew
        return _crews[workers, threads]
