"""Standardisation: shift, scale and decorrelation of pixels.

Everything is fitted to the training split alone and applied to every split:

    none          x / 255
    per-channel   (x − mean) / deviation, one of each per channel
    per-pixel     the same, one of each per pixel of each channel
    zca           W (x / 255 − mean image),  W = U (Λ + ε)^(−1/2) Uᵀ,  with U Λ Uᵀ the covariance of pixels in [0, 1]

zca follows Krizhevsky 2009, appendix A, with the ε of Coates, Ng and Lee 2011, which keeps directions with a variance
well below ε from being amplified.

Shapes: N images, B of a batch, C channels, S pixels of height and width, D = C·S·S.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from revconsole.data._stored import Pixels, middle, parts_of

Standardise = Literal["none", "per-channel", "per-pixel", "zca"]
ChannelStatistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each channel."""

LEVELS = 255
LEAST_DEVIATION = 1 / LEVELS
"""Least deviation of a channel, one grey level, so that a constant channel stays finite."""
LEAST_SHARE = 0.1
"""Least deviation of a pixel as a share of its channel's. The edge of MNIST is black in training; a grey test pixel
there would otherwise be hundreds of deviations away.
"""
CHUNK = 1024  # images whose products are summed at a time
COUNTED = 512  # images counted at a time, which fit a processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardisation:
    """(pixels − shift) / scale, then `whitening` if there is one; float32, on one device.

    shift, scale: in grey levels, (C, 1, 1) or (C, S, S). whitening: symmetric, (D, D).
    """

    shift: Tensor
    scale: Tensor
    whitening: Tensor | None = None

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 (B, C, S, S) to standardised float32 of the same shape."""
        values = pixels.to(torch.float32).sub_(self.shift).div_(self.scale)
        if self.whitening is None:
            return values
        return (values.flatten(1) @ self.whitening).view_as(values)

    def to(self, device: torch.device | str) -> "Standardisation":
        """A copy on a device."""
        whitening = None if self.whitening is None else self.whitening.to(device)
        return Standardisation(
            shift=self.shift.to(device), scale=self.scale.to(device), whitening=whitening
        )


def fitted(
    images: Pixels,
    kind: Standardise,
    *,
    eps: float,
    crop: int | None = None,
    whole: ChannelStatistics | None = None,
) -> Standardisation:
    """Fit to uint8 training images (N, C, S, S) on the CPU.

    crop: side of their middle that is looked at; None looks at all of each. eps: for zca, added to each eigenvalue. whole: their
    `channel_statistics`, if they are known, which saves reading them again. Sums are over integers in float64 or int64, so
    neither the order of summation nor the number of threads changes a bit.
    """
    channels = images.shape[1]
    if kind == "none":
        return _of([0.0] * channels, [1.0] * channels)
    if kind == "zca":
        return _zca(images, eps, crop)
    known = whole if crop is None else None
    mean, std = known or channel_statistics(images, crop)
    if kind == "per-channel":
        return _of(list(mean), [max(deviation, LEAST_DEVIATION) for deviation in std])
    least = torch.tensor(std).mul(LEAST_SHARE).clamp_min(LEAST_DEVIATION).view(-1, 1, 1)
    return _per_pixel(images, least, crop)


def _of(mean: list[float], std: list[float]) -> Standardisation:
    def levels(values: list[float]) -> Tensor:
        scaled = [LEVELS * value for value in values]
        return torch.tensor(scaled, dtype=torch.float32).view(-1, 1, 1)

    return Standardisation(shift=levels(mean), scale=levels(std))


def _per_pixel(images: Pixels, least: Tensor, crop: int | None) -> Standardisation:
    count = len(images)
    total, squares = torch.zeros((2, *middle(images[:1], crop).shape[1:]), dtype=torch.int64)
    for chunk in parts_of(images, CHUNK):
        levels = middle(chunk, crop).to(torch.int64)
        total += levels.sum(0)
        squares += (levels * levels).sum(0)
    deviation = (count * squares - total * total).double().sqrt() / count  # (C, S, S)
    return Standardisation(
        shift=(total.double() / count).float(),
        scale=deviation.maximum(LEVELS * least.double()).float(),
    )


def _zca(images: Pixels, eps: float, crop: int | None) -> Standardisation:
    mean, covariance = _moments(images, crop)
    with _one_thread():
        values, vectors = torch.linalg.eigh(covariance)
    # Rounding can make zero eigenvalues slightly negative.
    gains = (values.clamp_min(0) + eps).rsqrt()
    whitening = (vectors * gains) @ vectors.T
    return Standardisation(
        shift=(LEVELS * mean).float().view(middle(images[:1], crop).shape[1:]),
        scale=torch.full((1, 1, 1), float(LEVELS)),
        whitening=whitening.float(),
    )


def _moments(images: Pixels, crop: int | None) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of pixels in [0, 1], float64.

    Products of grey levels are integers, and the sum of a hundred billion of them still fits 53 bits.
    """
    count, size = len(images), middle(images[:1], crop).numel()
    total = torch.zeros(size, dtype=torch.float64)
    products = torch.zeros(size, size, dtype=torch.float64)
    for chunk in parts_of(images, CHUNK):
        levels = middle(chunk, crop).flatten(1).double()
        total += levels.sum(0)
        products.addmm_(levels.T, levels)
    mean = total / count
    covariance = (products / count - torch.outer(mean, mean)) / LEVELS**2
    return mean / LEVELS, covariance


@contextmanager
def _one_thread() -> Iterator[None]:
    """A context with one thread: the division of work changes the last bits, and a resumed run needs the same ones."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def channel_statistics(images: Pixels, crop: int | None = None) -> ChannelStatistics:
    """Mean and population standard deviation of uint8 images (N, C, S, S) on the CPU, in [0, 1] units.

    crop: side of their middle that is looked at; None looks at all of each.

    Computed from the counts of the 256 grey levels, so no sum is rounded.
    """
    counts = [[0] * 256 for _ in range(images.shape[1])]
    for chunk in parts_of(images, COUNTED):
        for channel, totals in enumerate(counts):
            levels = middle(chunk, crop)[:, channel].numpy().reshape(-1)
            histogram = np.bincount(levels, minlength=256).tolist()
            totals[:] = [total + more for total, more in zip(totals, histogram, strict=True)]

    moments = [_mean_and_deviation(totals) for totals in counts]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def _mean_and_deviation(counts: list[int]) -> tuple[float, float]:
    pixels = sum(counts)
    total = sum(level * count for level, count in enumerate(counts))
    squares = sum(level * level * count for level, count in enumerate(counts))
    return total / pixels / 255, math.sqrt(pixels * squares - total * total) / pixels / 255
