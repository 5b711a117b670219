"""Stored images: uint8 images of which a part is read when it is asked for, and what can be asked of those in memory too.

Images that do not fit into memory lie in one file, decoded (see `_pixel_file`), which the system maps: a batch reads its own
rows, and what was read is given back to whoever needs memory. Everything that goes over all images goes part by part.

Shapes: N images, B of a batch, C channels, H pixels of height and W of width.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor


class StoredImages:
    """Images uint8 (N, C, H, W) in a mapped file; indexing reads some of them into memory."""

    nbytes = 0
    """Bytes of memory that they hold."""

    def __init__(self, mapped: Tensor, rows: Tensor) -> None:
        """mapped: every image of the file. rows: numbers of those that are meant, int64 (N,)."""
        self._mapped, self._rows = mapped, rows
        self.shape = torch.Size((len(rows), *mapped.shape[1:]))
        self.device = mapped.device

    @classmethod
    def of_file(cls, file: Path, shape: Sequence[int]) -> "StoredImages":
        """All images of a file of that shape. Raises RuntimeError if it is too short or cannot be opened."""
        size = torch.Size(shape).numel()
        mapped = torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)
        return cls(mapped.view(*shape), torch.arange(shape[0]))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """The chosen images, read into memory, uint8 (B, C, H, W)."""
        return self._mapped[self._rows[chosen]]

    def only(self, chosen: Tensor | slice) -> "StoredImages":
        """The chosen images, without reading them."""
        return StoredImages(self._mapped, self._rows[chosen])


Pixels = Tensor | StoredImages
"""Images uint8 (N, C, H, W), in memory or stored."""


def only(images: Pixels, chosen: Tensor | slice) -> Pixels:
    """Some of the images: of those in memory a copy (a view for a slice), of stored ones no pixel is read."""
    return images.only(chosen) if isinstance(images, StoredImages) else images[chosen]


def parts_of(images: Pixels, size: int, *, first: int = 0, every: int = 1) -> Iterator[Tensor]:
    """The images in order, `size` at a time, each part in memory. first, every: only each `every`-th part, from this one on."""
    for start in range(first * size, len(images), every * size):
        yield images[start : start + size]


def middle(pixels: Tensor, side: int | None) -> Tensor:
    """The middle square (…, side, side) of images (…, S, S), rounded as in torchvision; unchanged for None."""
    if side is None or side == pixels.shape[-1]:
        return pixels
    first = round((pixels.shape[-1] - side) / 2)
    return pixels[..., first : first + side, first : first + side]
