"""J and F as their definitions read, with whole-frame morphology of scipy: what the fast metrics are compared with."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage


def plain_boundary(mask):
    """Each pixel against its three neighbours; the last row and column look along themselves only."""
    right, down, diagonal = (np.zeros_like(mask) for _ in range(3))
    right[:, :-1], down[:-1], diagonal[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    edge = (mask != right) | (mask != down) | (mask != diagonal)
    edge[-1] = mask[-1] != right[-1]
    edge[:, -1] = mask[:, -1] != down[:, -1]
    edge[-1, -1] = False
    return edge


def plain_radius(shape, bound_th=0.008):
    return bound_th if bound_th >= 1 else math.ceil(bound_th * math.hypot(*shape))


def plain_f(prediction, truth, bound_th=0.008):
    radius = plain_radius(truth.shape, bound_th)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = x * x + y * y <= radius * radius
    found, wanted = plain_boundary(prediction), plain_boundary(truth)
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    precision = (found & ndimage.binary_dilation(wanted, disc)).sum() / found.sum()
    recall = (wanted & ndimage.binary_dilation(found, disc)).sum() / wanted.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def plain_j(prediction, truth):
    union = (prediction | truth).sum()
    return (prediction & truth).sum() / union if union else 1.0


def blobs(seed, shape, share=0.3, smooth=3.0):
    """A (height, width) bool mask of some random blobs, also at the borders."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth, mode="wrap")
    return noise > np.quantile(noise, 1 - share)
