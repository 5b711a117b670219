"""Decoding: the images of many files, decoded in threads and cached by the content of the files.

The cache stores no names, only pixels with the SHA-256 of their file. A file that was replaced or renamed therefore
never gets another file's pixels. Unreadable files are not cached; they are tried again the next time.
"""

import errno
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray

from revconsole.data import _pictures
from revconsole.data._cache import keep, kept
from revconsole.data._content import content_of, digest_of
from revconsole.data._pictures import DecodedImage, Pixels, why_not
from revconsole.data._reading import Say

RECIPE = 2
"""Version of the conversion from file to pixels; older caches are rebuilt."""
MOST_BYTES = 1 << 32
"""Largest accepted file."""
MOST_THREADS = 16
SAY_SECONDS = 5.0
"""Seconds between two progress messages."""
OF_THE_FILE = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ELOOP,
    errno.EINVAL,
    errno.EFBIG,
    errno.ENAMETOOLONG,
}
"""System errors that a retry does not resolve."""
OUT_OF_MEMORY = "out of memory"
"""Text of Pillow's decoders for lack of memory."""

T = TypeVar("T")


class Unreadable(NamedTuple):
    """A file without a usable image: it is damaged, or it could not be read this time."""

    reason: str
    fault: Literal["damaged", "denied", "moment"]


class FileProperties(NamedTuple):
    """Properties of an image file besides its pixels."""

    kind: str
    width: int
    height: int
    transparent: bool
    frames: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The readable images in the order of the files, and the unreadable ones.

    pixels: uint8 (N, 3, S, S). good: their positions in the list of files, int64 (N,). properties: of each. bad: the
    unreadable files by position.
    """

    pixels: Pixels
    good: NDArray[np.int64]
    properties: tuple[FileProperties, ...]
    bad: dict[int, Unreadable]


class _CachedImages(NamedTuple):
    """Rows of the cache: pixels (N, 3, S, S), hashes of their files (N, 32), and properties of their files."""

    pixels: Pixels
    digests: tuple[bytes, ...]
    properties: tuple[FileProperties, ...]


def decode(file: Path, side: int) -> tuple[bytes, DecodedImage] | Unreadable:
    """(SHA-256 of the file, image), or why there is none. Raises MemoryError with the name of the file."""
    try:
        content = content_of(file, most=MOST_BYTES)
        if not content:
            return Unreadable("it is empty", "damaged")
        return hashlib.sha256(content).digest(), _pictures.decoded(content, side)
    except MemoryError as error:  # not a fault of the image
        raise MemoryError(str(file)) from error
    except OSError as error:
        if OUT_OF_MEMORY in str(error):
            raise MemoryError(str(file)) from error
        return _unreadable(error)
    except Exception as error:  # noqa: BLE001  Pillow can raise anything, and one file must not end the list
        return Unreadable(why_not(error), "damaged")


def decoded(files: Sequence[Path], cache: Path, *, side: int, say: Say) -> Decoded:
    """Every image, from the cache if it holds the present content of the file. Raises MemoryError."""
    stamp = f"recipe {RECIPE}, Pillow {PIL.__version__}, {side} pixels"
    cached = _rows(kept(cache, stamp), side)
    rows = {digest: row for row, digest in enumerate(cached.digests)} if cached else {}
    digests = dict(enumerate(_in_threads(_digest, files, say, "compared"))) if cached else {}
    cached_rows = {
        place: rows[d] for place, d in digests.items() if isinstance(d, bytes) and d in rows
    }
    if cached and list(cached_rows.values()) == list(range(len(files))) == list(
        range(len(cached.digests))
    ):
        return _whole(cached)
    fresh = [place for place in range(len(files)) if place not in cached_rows]
    result = _decode_all(files, cached_rows, fresh, cached, side=side, say=say)
    if result[1].digests and not (cached and result[1].digests == cached.digests):
        _keep(cache, stamp, result[1])
    return result[0]


def _whole(cached: _CachedImages) -> Decoded:
    good = np.arange(len(cached.digests), dtype=np.int64)
    return Decoded(pixels=cached.pixels, good=good, properties=cached.properties, bad={})


def _decode_all(
    files: Sequence[Path],
    cached_rows: dict[int, int],
    fresh: list[int],
    cached: _CachedImages | None,
    *,
    side: int,
    say: Say,
) -> tuple[Decoded, _CachedImages]:
    """Unchanged images from the cache, and the fresh ones decoded, in the order of the files."""
    pixels = np.empty((len(files), 3, side, side), dtype=np.uint8)
    digests: list[bytes] = []
    properties: list[FileProperties] = []
    good: list[int] = []
    bad: dict[int, Unreadable] = {}
    outcomes = _in_threads(
        partial(decode, side=side), [files[place] for place in fresh], say, "read"
    )
    for place in range(len(files)):
        row = len(good)
        if cached and place in cached_rows:
            pixels[row] = cached.pixels[cached_rows[place]]
            digests.append(cached.digests[cached_rows[place]])
            properties.append(cached.properties[cached_rows[place]])
        else:
            outcome = next(outcomes)
            if isinstance(outcome, Unreadable):
                bad[place] = outcome
                continue
            digest, picture = outcome
            pixels[row] = picture.pixels
            digests.append(digest)
            properties.append(_properties(picture))
        good.append(place)
    filled = pixels[: len(good)]
    return (
        Decoded(
            pixels=filled,
            good=np.array(good, dtype=np.int64),
            properties=tuple(properties),
            bad=bad,
        ),
        _CachedImages(filled, tuple(digests), tuple(properties)),
    )


def _properties(picture: DecodedImage) -> FileProperties:
    return FileProperties(
        picture.kind, picture.width, picture.height, picture.transparent, picture.frames
    )


def _digest(file: Path) -> bytes | Unreadable:
    try:
        return digest_of(file)
    except OSError as error:
        return _unreadable(error)


def _unreadable(error: OSError) -> Unreadable:
    if error.errno is None:
        return Unreadable(why_not(error), "damaged")  # raised by Pillow itself
    fault: Literal["denied", "moment"] = "denied" if error.errno in OF_THE_FILE else "moment"
    return Unreadable(error.strerror or why_not(error), fault)


def _in_threads(
    function: Callable[[Path], T], files: Sequence[Path], say: Say, verb: str
) -> Iterator[T]:
    """The function's result for every file in order, computed in threads; reports progress."""
    # Pillow warns about odd palettes and metadata; warning filters are process-wide, so this one stays.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    reported = time.monotonic()
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        try:
            for number, outcome in enumerate(pool.map(function, files), 1):
                yield outcome
                if time.monotonic() - reported > SAY_SECONDS:
                    reported = time.monotonic()
                    say(f"{verb} {number:,} of {len(files):,} images")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _rows(arrays: dict[str, NDArray[np.generic]] | None, side: int) -> _CachedImages | None:
    """The rows of a cache; None if its arrays have other names or shapes."""
    names = {"pixels", "digests", "kinds", "sizes", "marks"}
    if arrays is None or arrays.keys() != names:
        return None
    count = len(arrays["kinds"])
    shapes = {name: array.shape for name, array in arrays.items()}
    expected = {
        "pixels": (count, 3, side, side), "digests": (count, 32), "kinds": (count,), "sizes": (count, 2),
        "marks": (count, 2),
    }  # fmt: skip
    if shapes != expected or arrays["pixels"].dtype != np.uint8:
        return None
    properties = zip(
        arrays["kinds"].tolist(), arrays["sizes"].tolist(), arrays["marks"].tolist(), strict=True
    )
    return _CachedImages(
        arrays["pixels"].view(np.uint8),
        tuple(row.tobytes() for row in arrays["digests"]),
        tuple(
            FileProperties(str(kind), *size, *map(bool, marks)) for kind, size, marks in properties
        ),
    )


def _keep(cache: Path, stamp: str, rows: _CachedImages) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "pixels": rows.pixels,
        "digests": np.frombuffer(b"".join(rows.digests), dtype=np.uint8).reshape(-1, 32),
        "kinds": np.array([file.kind for file in rows.properties], dtype=np.str_),
        "sizes": np.array([(file.width, file.height) for file in rows.properties], dtype=np.int64),
        "marks": np.array(
            [(file.transparent, file.frames) for file in rows.properties], dtype=np.bool_
        ),
    }
    keep(cache, stamp, arrays)
