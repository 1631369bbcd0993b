"""Clocks, fixed work to compare machines by, and the slow ways of networks, for the scripts of this folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel


def median_ms(run: Callable[[], object], repeat: int = 9) -> float:
    """The middle one of some runs, in milliseconds of the clock."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return 1000 * sorted(taken)[repeat // 2]


def fixed_work() -> tuple[float, float]:
    """Milliseconds of a matrix product and of a convolution that the reference's figures were taken with as well."""
    square, maps, kernel = torch.randn(2048, 2048), torch.randn(1, 256, 90, 160), torch.randn(256, 256, 3, 3)
    return median_ms(lambda: square @ square), median_ms(lambda: F.conv2d(maps, kernel, padding=1))


def calibration() -> str:
    """`fixed_work` in words."""
    product, convolution = fixed_work()
    return f"calibration: matrix product {product:.0f} ms, convolution {convolution:.0f} ms"


@dataclass(frozen=True)
class Seconds:
    """clock: of the clock. work: of the processor, all threads together, which says more on a shared machine."""

    clock: float
    work: float

    def line(self, name: str, each: str) -> str:
        """Both, of what has this name; each: what they are counted for."""
        return f"{name:<42} {self.clock:8.3f} s {self.work:8.3f} CPU-s per {each}"


def best(run: Callable[[], object], *, repeat: int = 1, parts: int = 1) -> Seconds:
    """The least that a part of a run took in some runs."""
    clock, work = [], []
    for _ in range(repeat):
        began, busy = time.perf_counter(), time.process_time()
        run()
        clock.append((time.perf_counter() - began) / parts)
        work.append((time.process_time() - busy) / parts)
    return Seconds(min(clock), min(work))


def measure(name: str, run: Callable[[], object], each: str, *, repeat: int = 1, parts: int = 1) -> Seconds:
    """`best`, printed as well."""
    found = best(run, repeat=repeat, parts=parts)
    print(found.line(name, each), flush=True)
    return found


Stages = Mapping[str, tuple[Any, str]]
"""Names of stages, and of each the object or class and the attribute by which it is called."""


class Stopwatch:
    """Seconds that stages of a run took."""

    def __init__(self) -> None:
        self._seconds: dict[str, Seconds] = {}

    @contextmanager
    def on(self, stages: Stages) -> Iterator[None]:
        """Whatever the stages take inside of the block is counted."""
        with ExitStack() as stack:
            for stage, (owner, name) in stages.items():
                stack.enter_context(patch.object(owner, name, self._around(stage, getattr(owner, name))))
            yield

    def forget(self) -> None:
        """Begin at nothing."""
        self._seconds.clear()

    def tell(self, each: str, parts: int) -> None:
        """Print a line for each stage; parts: how many of `each` were seen."""
        for stage, seconds in self._seconds.items():
            print(Seconds(seconds.clock / parts, seconds.work / parts).line(f"    {stage}", each), flush=True)

    def _around(self, stage: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            start, busy = time.perf_counter(), time.process_time()
            result = run(*args, **options)
            clock, work = time.perf_counter() - start, time.process_time() - busy
            before = self._seconds.get(stage, Seconds(0.0, 0.0))
            self._seconds[stage] = Seconds(before.clock + clock, before.work + work)
            return result

        return timed


@contextmanager
def plain_steps() -> Iterator[None]:
    """Attention by its formula, sampling by `grid_sample`, all frames at once, and no way that is only for CPUs."""
    from singleout.nn import deformable

    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(patch.object(deformable, "sample_by_rows", deformable.sample_by_grid))
        # The fast ways are not taken in training; the weights are frozen, so that nothing is kept for gradients.
        stack.enter_context(torch.enable_grad())
        yield
