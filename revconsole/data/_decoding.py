"""The images of many files, decoded in threads, and kept by the bytes that they were decoded from.

The cache knows no names: it holds pixels, each with the SHA-256 of the file they came from. A file that was exchanged,
replaced or renamed therefore never gets the pixels of another one, and a file that could not be read is not in it: it
is tried again the next time.
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
"""Counts what was ever changed in how pixels are made of a file: older ones are made anew."""
MOST_BYTES = 1 << 32
"""Of one file."""
MOST_THREADS = 16
SAY_SECONDS = 5.0
"""Between two sentences about how far it is."""
OF_THE_FILE = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ELOOP,
    errno.EINVAL,
    errno.EFBIG,
    errno.ENAMETOOLONG,
}
"""Errors that another try does not mend."""
OUT_OF_MEMORY = "out of memory"
"""What Pillow's decoders say of it."""

T = TypeVar("T")


class Unreadable(NamedTuple):
    """Why a file gave no image: it is damaged, may not be read, or could not be read at this moment."""

    reason: str
    fault: Literal["damaged", "denied", "moment"]


class Told(NamedTuple):
    """What a file held, beside its pixels."""

    kind: str
    width: int
    height: int
    transparent: bool
    frames: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The images that could be read, in the order of the files, and the others.

    pixels: uint8 (N, 3, S, S). good: their places in the list of files, int64 (N,). told: of each.
    bad: the others, by their places.
    """

    pixels: Pixels
    good: NDArray[np.int64]
    told: tuple[Told, ...]
    bad: dict[int, Unreadable]


class _Kept(NamedTuple):
    """Rows of the cache: pixels (N, 3, S, S), what they were decoded from (N, 32), and what their files held."""

    pixels: Pixels
    digests: tuple[bytes, ...]
    told: tuple[Told, ...]


def decode(file: Path, side: int) -> tuple[bytes, DecodedImage] | Unreadable:
    """The image with the SHA-256 of its file, or why there is none. Raises MemoryError with the name of the file."""
    try:
        content = content_of(file, most=MOST_BYTES)
        if not content:
            return Unreadable("it is empty", "damaged")
        return hashlib.sha256(content).digest(), _pictures.decoded(content, side)
    except MemoryError as error:  # it says nothing of the image
        raise MemoryError(str(file)) from error
    except OSError as error:
        if OUT_OF_MEMORY in str(error):
            raise MemoryError(str(file)) from error
        return _unreadable(error)
    except Exception as error:  # noqa: BLE001  Pillow's decoders raise anything, and one file must not end the list
        return Unreadable(why_not(error), "damaged")


def decoded(files: Sequence[Path], cache: Path, *, side: int, say: Say) -> Decoded:
    """Every image, from the cache where it holds what is in the file now. Raises MemoryError."""
    stamp = f"recipe {RECIPE}, Pillow {PIL.__version__}, {side} pixels"
    found = _rows(kept(cache, stamp), side)
    rows = {digest: row for row, digest in enumerate(found.digests)} if found else {}
    digests = dict(enumerate(_each(_digest, files, say, "compared"))) if found else {}
    known = {place: rows[d] for place, d in digests.items() if isinstance(d, bytes) and d in rows}
    if found and list(known.values()) == list(range(len(files))) == list(range(len(found.digests))):
        return _whole(found)
    fresh = [place for place in range(len(files)) if place not in known]
    made = _decode_all(files, known, fresh, found, side=side, say=say)
    if made[1].digests and not (found and made[1].digests == found.digests):
        _keep(cache, stamp, made[1])
    return made[0]


def _whole(found: _Kept) -> Decoded:
    good = np.arange(len(found.digests), dtype=np.int64)
    return Decoded(pixels=found.pixels, good=good, told=found.told, bad={})


def _decode_all(
    files: Sequence[Path],
    known: dict[int, int],
    fresh: list[int],
    found: _Kept | None,
    *,
    side: int,
    say: Say,
) -> tuple[Decoded, _Kept]:
    """Known images from the rows of the cache, the fresh ones decoded."""
    pixels = np.empty((len(files), 3, side, side), dtype=np.uint8)
    digests: list[bytes] = []
    told: list[Told] = []
    good: list[int] = []
    bad: dict[int, Unreadable] = {}
    new = _each(partial(decode, side=side), [files[place] for place in fresh], say, "read")
    for place in range(len(files)):
        row = len(good)
        if found and place in known:
            pixels[row] = found.pixels[known[place]]
            digests.append(found.digests[known[place]])
            told.append(found.told[known[place]])
        else:
            outcome = next(new)
            if isinstance(outcome, Unreadable):
                bad[place] = outcome
                continue
            digest, picture = outcome
            pixels[row] = picture.pixels
            digests.append(digest)
            told.append(_told(picture))
        good.append(place)
    rest = pixels[: len(good)]
    return (
        Decoded(pixels=rest, good=np.array(good, dtype=np.int64), told=tuple(told), bad=bad),
        _Kept(rest, tuple(digests), tuple(told)),
    )


def _told(picture: DecodedImage) -> Told:
    return Told(picture.kind, picture.width, picture.height, picture.transparent, picture.frames)


def _digest(file: Path) -> bytes | Unreadable:
    try:
        return digest_of(file)
    except OSError as error:
        return _unreadable(error)


def _unreadable(error: OSError) -> Unreadable:
    if error.errno is None:
        return Unreadable(why_not(error), "damaged")  # Pillow's own
    fault: Literal["denied", "moment"] = "denied" if error.errno in OF_THE_FILE else "moment"
    return Unreadable(error.strerror or why_not(error), fault)


def _each(function: Callable[[Path], T], files: Sequence[Path], say: Say, verb: str) -> Iterator[T]:
    """The function of every file, in their order, in threads; says how far it is."""
    # Pillow warns of odd palettes and metadata; a process has one list of filters, so the entry stays.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    said = time.monotonic()
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        try:
            for number, outcome in enumerate(pool.map(function, files), 1):
                yield outcome
                if time.monotonic() - said > SAY_SECONDS:
                    said = time.monotonic()
                    say(f"{verb} {number:,} of {len(files):,} images")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _rows(arrays: dict[str, NDArray[np.generic]] | None, side: int) -> _Kept | None:
    """The rows of a cache; None where they are not what is kept today."""
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
    told = zip(
        arrays["kinds"].tolist(), arrays["sizes"].tolist(), arrays["marks"].tolist(), strict=True
    )
    return _Kept(
        arrays["pixels"].view(np.uint8),
        tuple(row.tobytes() for row in arrays["digests"]),
        tuple(Told(str(kind), *size, *map(bool, marks)) for kind, size, marks in told),
    )


def _keep(cache: Path, stamp: str, rows: _Kept) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "pixels": rows.pixels,
        "digests": np.frombuffer(b"".join(rows.digests), dtype=np.uint8).reshape(-1, 32),
        "kinds": np.array([told.kind for told in rows.told], dtype=np.str_),
        "sizes": np.array([(told.width, told.height) for told in rows.told], dtype=np.int64),
        "marks": np.array([(told.transparent, told.frames) for told in rows.told], dtype=np.bool_),
    }
    keep(cache, stamp, arrays)
