"""Mean and deviation per channel from exact integer counts, equal on every machine.

Shapes: N images, C channels, S pixels of height and width.
"""

import math

import numpy as np
import torch
from torch import Tensor

CHUNK = 512  # images counted at a time, which fit a processor's cache


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and population standard deviation of uint8 images (N, C, S, S) on the CPU, in [0, 1] units.

    Computed from the counts of the 256 grey levels, so no sum is rounded.
    """
    counts = [[0] * 256 for _ in range(images.shape[1])]
    for chunk in torch.split(images, CHUNK):
        for channel, totals in enumerate(counts):
            levels = chunk[:, channel].numpy().reshape(-1)
            histogram = np.bincount(levels, minlength=256).tolist()
            totals[:] = [total + more for total, more in zip(totals, histogram, strict=True)]

    moments = [_moments(totals) for totals in counts]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def _moments(counts: list[int]) -> tuple[float, float]:
    pixels = sum(counts)
    total = sum(level * count for level, count in enumerate(counts))
    squares = sum(level * level * count for level, count in enumerate(counts))
    return total / pixels / 255, math.sqrt(pixels * squares - total * total) / pixels / 255
