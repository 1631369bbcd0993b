"""Weight and threshold of the ensemble, looked for together: every pair of a grid on the same pictures.

The authors evaluate each pair by itself. What does not depend on the pair is computed once here: proposals once for a
picture, CLIP once for each threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from singleout.nn.mask2former.geometry import Picture
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.systems.ovseg.pictures import Rules, judge, look, paint


@dataclass(frozen=True)
class Grid:
    """The pairs; the defaults are the published ones."""

    thresholds: tuple[float, ...] = (0.35, 0.4, 0.45)
    weights: tuple[float, ...] = (0.6, 0.65, 0.7, 0.75, 0.8)

    def pairs(self) -> list[tuple[float, float]]:
        """Threshold and weight of each."""
        return [(threshold, weight) for threshold in self.thresholds for weight in self.weights]


@torch.inference_mode()
def label_maps(
    network: OVSegNetwork, picture: Picture, rows: Tensor, rules: Rules, grid: Grid
) -> Iterator[tuple[tuple[float, float], Tensor]]:
    """The class of each pixel by each pair of the grid, (height, width) int64, in the order of `Grid.pairs`.

    picture: (height, width, 3) uint8 RGB. rows: of `OVSegNetwork.rows`. rules: what else is decided.
    """
    config = network.config
    seen = look(network, picture, config.size, config.longest)
    size = (picture.shape[0], picture.shape[1])
    for threshold in grid.thresholds:
        here = replace(rules, weight=1.0, cutting=replace(rules.cutting, threshold=threshold))
        opinions = judge(network, seen, rows, here)
        for weight in grid.weights:
            labels = paint(seen.shares, opinions, replace(here, weight=weight), size).labels().labels
            yield (threshold, weight), labels


def best(scores: Sequence[tuple[tuple[float, float], float]]) -> tuple[float, float]:
    """The pair with the highest mIoU, the first of equal ones."""
    return max(scores, key=lambda one: one[1])[0]
