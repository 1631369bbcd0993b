"""Clocks, fixed work to compare machines by, and the slow ways of networks, for the scripts of this folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def calibration() -> str:
    """The fixed work: a matrix product and a convolution that the reference's figures were taken with as well."""
    square, maps, kernel = torch.randn(2048, 2048), torch.randn(1, 256, 90, 160), torch.randn(256, 256, 3, 3)
    product = median_ms(lambda: square @ square)
    convolution = median_ms(lambda: F.conv2d(maps, kernel, padding=1))
    return f"calibration: matrix product {product:.0f} ms, convolution {convolution:.0f} ms"


class Stopwatch:
    """Seconds that named functions took, of the clock and of the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    def around(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*args: Any, **options: Any) -> Any:
            start, work = time.perf_counter(), time.process_time()
            result = run(*args, **options)
            before = self.seconds.get(name, (0.0, 0.0))
            self.seconds[name] = (before[0] + time.perf_counter() - start, before[1] + time.process_time() - work)
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
