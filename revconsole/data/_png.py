"""PNG images: one file, or folders of them, `train/CLASS/*.png` and `test/CLASS/*.png`, with a cache beside.

Shapes: N images, 3 channels, S pixels of height and width.
"""

import hashlib
import logging
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from revconsole.data._images import damaged

CACHE = "revconsole-cache.npz"

log = logging.getLogger(__name__)

Halves = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Training and test half, each images uint8 (N, 3, S, S) and labels int64 (N,)."""


def read_png(file: Path) -> Tensor:
    """One image as uint8 (3, height, width). Raises DataUnavailable where it is damaged."""
    try:
        with Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))  # (height, width, 3)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise damaged(file, "not a readable PNG image") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def read_folders(place: Path, names: tuple[str, ...], *, side: int) -> Halves:
    """Both halves; the first time from the images, then from a cache that a changed folder outdates.

    names: the folders of the classes, in the order of their labels.
    Raises DataUnavailable where a class or an image is missing, damaged or of another size.
    """
    files = {half: _listed(place / half, names) for half in ("train", "test")}
    stamp = _stamp([file for half in files.values() for file, _ in half])
    cached = _cached(place / CACHE, stamp)
    if cached is not None:
        return cached

    log.info("reading the images below %s; the next time they come from %s", place, CACHE)
    train, test = (_decoded(half, side=side) for half in files.values())
    _keep(place / CACHE, stamp, (train, test))
    return train, test


def _listed(half: Path, names: tuple[str, ...]) -> list[tuple[Path, int]]:
    found = {folder.name for folder in half.iterdir() if folder.is_dir()}
    if found != set(names):
        strange = sorted(found ^ set(names))
        raise damaged(half, f"its folders are not the {len(names)} classes, see {strange[0]!r}")
    return [
        (file, label)
        for label, name in enumerate(names)
        for file in sorted((half / name).glob("*.png"))
    ]


def _stamp(files: list[Path]) -> str:
    """Changes when a file is added, removed, resized or rewritten."""
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        digest.update(
            f"{file.parent.name}/{file.name} {state.st_size} {state.st_mtime_ns}\n".encode()
        )
    return digest.hexdigest()


def _decoded(files: list[tuple[Path, int]], *, side: int) -> tuple[Tensor, Tensor]:
    images = torch.empty((len(files), 3, side, side), dtype=torch.uint8)
    for index, (file, _) in enumerate(files):
        image = read_png(file)
        if image.shape != (3, side, side):
            raise damaged(file, f"{tuple(image.shape)} instead of {(3, side, side)}")
        images[index] = image
    return images, torch.tensor([label for _, label in files], dtype=torch.int64)


def _cached(file: Path, stamp: str) -> Halves | None:
    """What the cache holds, if it is whole and of these files."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
            if str(kept["stamp"]) != stamp:
                return None
            parts = [torch.from_numpy(kept[f"part{index}"]) for index in range(4)]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (parts[0], parts[1]), (parts[2], parts[3])


def _keep(file: Path, stamp: str, halves: Halves) -> None:
    """Write the cache whole or not at all; a folder without room or permission stays uncached."""
    part0, part1, part2, part3 = (part.numpy() for half in halves for part in half)
    try:
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=file.parent) as arriving:
            whole = Path(arriving) / file.name
            np.savez(
                whole, stamp=np.array(stamp), part0=part0, part1=part1, part2=part2, part3=part3
            )
            whole.replace(file)
    except OSError as error:
        log.info("no cache beside the images: %s", error)
