"""PNG images: one file, or folders `train/CLASS/*.png` and `test/CLASS/*.png` with a cache beside them.

Shapes: N images, 3 channels, S pixels of height and width.
"""

import logging
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from revconsole.data._cache import keep, kept, stamp_of
from revconsole.data._files import content_of
from revconsole.data._images import Half, damaged, unreadable
from revconsole.records.pictures.file_pixels import whole, why_not

CACHE = "revconsole-cache.npz"

MOST_BYTES = 1 << 28
"""Largest accepted image; a sheet of 10,000 has about 20 MiB."""

log = logging.getLogger(__name__)


def read_png(file: Path) -> Tensor:
    """The image as uint8 (3, height, width). Raises DataUnavailable if it is damaged."""
    try:
        pixels = whole(content_of(file, most=MOST_BYTES))
    except OSError as error:
        if error.errno is not None:
            raise unreadable(file, error) from error
        raise damaged(file, why_not(error)) from error  # raised by Pillow itself
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise damaged(file, why_not(error)) from error
    return torch.from_numpy(pixels.copy())


def read_folders(place: Path, names: tuple[str, ...], *, side: int) -> tuple[Half, Half]:
    """The training and the test half, from a cache if it matches the folders, else from the images.

    names: class folders in the order of their labels. Raises DataUnavailable if a class or image is missing, damaged
    or of another size.
    """
    files = {half: _listed(place / half, names) for half in ("train", "test")}
    try:
        stamp = stamp_of([file for half in files.values() for file, _ in half], below=place)
    except OSError as error:
        raise unreadable(Path(error.filename or place), error) from error
    cached = kept(place / CACHE, stamp)
    if cached is not None and len(cached) == 4:
        part0, part1, part2, part3 = (torch.from_numpy(part) for part in cached.values())
        return (part0, part1), (part2, part3)

    log.info("reading the images below %s; the next time they come from %s", place, CACHE)
    train, test = (_decoded(half, side=side) for half in files.values())
    parts = {f"part{n}": part.numpy() for n, part in enumerate((*train, *test))}
    keep(place / CACHE, stamp, parts)
    return train, test


def _listed(half: Path, names: tuple[str, ...]) -> list[tuple[Path, int]]:
    try:
        present = {folder.name for folder in half.iterdir() if folder.is_dir()}
    except OSError as error:
        raise unreadable(half, error) from error
    if present != set(names):
        differing = sorted(present ^ set(names))
        raise damaged(half, f"its folders are not the {len(names)} classes, see {differing[0]!r}")
    return [
        (file, label)
        for label, name in enumerate(names)
        for file in sorted((half / name).glob("*.png"))
    ]


def _decoded(files: list[tuple[Path, int]], *, side: int) -> Half:
    images = torch.empty((len(files), 3, side, side), dtype=torch.uint8)
    for index, (file, _) in enumerate(files):
        image = read_png(file)
        if image.shape != (3, side, side):
            raise damaged(file, f"{tuple(image.shape)} instead of {(3, side, side)}")
        images[index] = image
    return images, torch.tensor([label for _, label in files], dtype=torch.int64)
