"""Decoding: the images of many files, decoded in threads and cached by the content of the files.

The cache stores no names, only pixels with the SHA-256 of their file. A file that was replaced or renamed therefore
never gets another file's pixels. Unreadable files are not cached; they are tried again the next time.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray

from revconsole.data._cache import Arrays, keep, kept
from revconsole.data._reading import Say
from revconsole.data._stored import StoredImages
from revconsole.records.pictures.cells import ImageFile
from revconsole.records.pictures.decoding import Unreadable, decode, digest
from revconsole.records.pictures.file_pixels import FileProperties, PixelFrame, Pixels

RECIPE = 2
"""Version of the conversion from file to pixels; older caches are rebuilt."""
MOST_THREADS = 16
AT_ONCE = 4096
"""Files that wait for the threads; more would only take memory."""
SAY_SECONDS = 5.0
"""Seconds between two progress messages."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The readable images in the order of the files, and the unreadable ones.

    pixels: uint8 (N, 3, H, W). digests: SHA-256 of the file of each, 32 bytes. properties: of each. good: their
    positions in the list of files, int64 (N,). bad: the unreadable files by position.
    """

    pixels: Pixels | StoredImages  # the cache holds the former
    digests: tuple[bytes, ...]
    properties: tuple[FileProperties, ...]
    good: NDArray[np.int64]
    bad: dict[int, Unreadable]


def decoded(files: Sequence[ImageFile], cache: Path, *, frame: PixelFrame, say: Say) -> Decoded:
    """Every image, from the cache if it holds the present content of the file. Raises MemoryError."""
    stamp = f"recipe {RECIPE}, Pillow {PIL.__version__}, {frame}"
    cached = _rows(kept(cache, stamp), frame)
    digests = list(in_threads(digest, files, say, "compared")) if cached else []
    if cached and tuple(digests) == cached.digests:
        return cached
    images = _decode_all(files, digests, cached, frame=frame, say=say)
    if images.digests and not (cached and images.digests == cached.digests):
        _keep(cache, stamp, images)
    return images


def _decode_all(
    files: Sequence[ImageFile],
    digests: Sequence[bytes | Unreadable],
    cached: Decoded | None,
    *,
    frame: PixelFrame,
    say: Say,
) -> Decoded:
    """Images of unchanged files from the cache and the others decoded, in the order of the files.

    digests: of each file; empty without a cache.
    """
    rows = {digest: row for row, digest in enumerate(cached.digests)} if cached else {}
    row_of = [rows.get(d) if isinstance(d, bytes) else None for d in digests] or [None] * len(files)
    fresh = [file for file, row in zip(files, row_of, strict=True) if row is None]
    outcomes = in_threads(partial(decode, frame=frame), fresh, say, "read")
    pixels = np.empty((len(files), 3, frame.height, frame.width), dtype=np.uint8)
    hashes: list[bytes] = []
    properties: list[FileProperties] = []
    good: list[int] = []
    bad: dict[int, Unreadable] = {}
    kept_pixels = np.asarray(cached.pixels if cached else ())
    for place, row in enumerate(row_of):
        if cached and row is not None:
            image = cached.digests[row], kept_pixels[row], cached.properties[row]
        else:
            outcome = next(outcomes)
            if isinstance(outcome, Unreadable):
                bad[place] = outcome
                continue
            image = outcome
        hashed, pixels[len(good)], file = image
        hashes.append(hashed)
        properties.append(file)
        good.append(place)
    return Decoded(
        pixels=pixels[: len(good)],
        digests=tuple(hashes),
        properties=tuple(properties),
        good=np.array(good, dtype=np.int64),
        bad=bad,
    )


def in_threads(function: Callable[[U], T], files: Sequence[U], say: Say, verb: str) -> Iterator[T]:
    """The function's result for every file in order, computed in threads; reports progress."""
    # Pillow warns about odd palettes and metadata; warning filters are process-wide, so this one stays.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    reported = time.monotonic()
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        try:
            starts = range(0, len(files), AT_ONCE)
            outcomes = chain.from_iterable(
                pool.map(function, files[n : n + AT_ONCE]) for n in starts
            )
            for number, outcome in enumerate(outcomes, 1):
                yield outcome
                if time.monotonic() - reported > SAY_SECONDS:
                    reported = time.monotonic()
                    say(f"{verb} {number:,} of {len(files):,} images")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _rows(arrays: dict[str, NDArray[np.generic]] | None, frame: PixelFrame) -> Decoded | None:
    """The images of a cache; None if its arrays have other names or shapes."""
    names = {"pixels", "digests", "kinds", "sizes", "marks"}
    if arrays is None or arrays.keys() != names:
        return None
    count = len(arrays["kinds"])
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = {
        "pixels": (count, 3, frame.height, frame.width), "digests": (count, 32), "kinds": (count,), "sizes": (count, 2),
        "marks": (count, 2),
    }  # fmt: skip
    if shapes != expected or arrays["pixels"].dtype != np.uint8:
        return None
    return Decoded(
        pixels=arrays["pixels"].view(np.uint8),
        digests=tuple(row.tobytes() for row in arrays["digests"]),
        properties=unpacked(arrays),
        good=np.arange(count, dtype=np.int64),
        bad={},
    )


def _keep(cache: Path, stamp: str, rows: Decoded) -> None:
    digests = np.frombuffer(b"".join(rows.digests), dtype=np.uint8).reshape(-1, 32)
    pixels = np.asarray(rows.pixels)
    keep(cache, stamp, {"pixels": pixels, "digests": digests, **packed(rows.properties)})


def packed(properties: Sequence[FileProperties]) -> dict[str, NDArray[np.generic]]:
    """Properties of N files as arrays."""
    return {
        "kinds": np.array([file.kind for file in properties], dtype=np.str_),
        "sizes": np.array([(file.width, file.height) for file in properties], dtype=np.int64),
        "marks": np.array([(file.transparent, file.frames) for file in properties], dtype=np.bool_),
    }


def unpacked(arrays: Arrays) -> tuple[FileProperties, ...]:
    """The properties that `packed` made arrays of."""
    columns = (arrays[name].tolist() for name in ("kinds", "sizes", "marks"))
    return tuple(
        FileProperties(str(kind), *size, *map(bool, marks))
        for kind, size, marks in zip(*columns, strict=True)
    )
