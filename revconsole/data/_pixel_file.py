"""A pixel file: the images of many files, decoded once by worker processes and stored one after the other.

The name of the pixel file holds a hash of the contents of all image files, so a changed image makes another one, and nobody who
still reads an older one is disturbed; older ones of the same folder are removed. Beside it is an index of what the images
were. Two processes never decode the same images at once: the second waits.
"""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import PIL
import torch

from revconsole.data._cache import keep, kept
from revconsole.data._decoding import RECIPE, Decoded, in_threads, packed, unpacked
from revconsole.data._reading import Say
from revconsole.data._stored import StoredImages
from revconsole.errors import DataUnavailable
from revconsole.records.pictures.cells import ImageFile
from revconsole.records.pictures.decoding import Unreadable, digest
from revconsole.records.pictures.file_pixels import FileProperties, PixelFrame
from revconsole.records.pictures.pool import DecodingPool
from revconsole.records.printable import size


def stored(
    files: Sequence[ImageFile], folder: Path, name: str, *, frame: PixelFrame, say: Say
) -> Decoded:
    """Every image, in a pixel file of this folder, made unless it is there.

    name: what files of the same images share. Raises MemoryError, and DataUnavailable for a full disk or a process that died.
    """
    digests = list(in_threads(digest, files, say, "compared"))
    stamp = _stamp(digests, frame)
    pixels = folder / f"{name}-{stamp[:16]}.pixels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f"{name}.lock", say):
            found = _opened(pixels, stamp, digests, frame)
            if found is None:
                _decode(files, pixels, stamp, frame, say)
                _remove_others(folder, name, pixels)
                found = _opened(pixels, stamp, digests, frame)
    except OSError as error:
        raise DataUnavailable(
            f"the decoded images cannot be kept in {folder} ({error.strerror}); allow it, make room, or set REVCONSOLE_DATA to "
            "another disk"
        ) from error
    if found is None:
        raise DataUnavailable(f"{pixels} vanished while it was opened; try again")
    return found


def _stamp(digests: Sequence[bytes | Unreadable], frame: PixelFrame) -> str:
    """A hash of everything that the pixels follow from."""
    text = f"recipe {RECIPE}, Pillow {PIL.__version__}, {frame}\n".encode()
    content = (each if isinstance(each, bytes) else each.reason.encode() for each in digests)
    return hashlib.sha256(text + b"\n".join(content)).hexdigest()


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """A context that one process has at a time; the system frees it when that process dies."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process decodes these images; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _decode(
    files: Sequence[ImageFile], pixels: Path, stamp: str, frame: PixelFrame, say: Say
) -> None:
    """Write the pixel file and its index, complete or not at all."""
    arriving = pixels.with_name(f"{pixels.stem}.arriving")
    try:
        _reserve(arriving, len(files) * frame.values)
        good: dict[int, FileProperties] = {}
        bad: dict[int, Unreadable] = {}
        with DecodingPool(arriving, frame) as pool:
            answers = in_threads(pool.decode, list(enumerate(files)), say, "decoded")
            for row, answer in enumerate(answers):
                if isinstance(answer, Unreadable):
                    bad[row] = answer
                else:
                    good[row] = answer[1]
        arrays = {
            "rows": np.array(list(good), dtype=np.int64),
            "bad": np.array(list(bad), dtype=np.int64),
            "reasons": np.array([each.reason for each in bad.values()], dtype=np.str_),
            "faults": np.array([each.fault for each in bad.values()], dtype=np.str_),
            **packed(list(good.values())),
        }
        arriving.replace(pixels)
        keep(pixels.with_suffix(".npz"), stamp, arrays)
    finally:
        arriving.unlink(missing_ok=True)


def _reserve(file: Path, needed: int) -> None:
    """Make a file of that size, with all of its room on the disk. Raises DataUnavailable if there is too little."""
    there = os.statvfs(file.parent)
    free = there.f_bavail * there.f_frsize
    if needed > free:
        raise DataUnavailable(
            f"the decoded images take {size(needed)}, and the disk of {file.parent} has {size(free)} free; lower "
            "data.image_size, or set REVCONSOLE_DATA to a larger disk"
        )
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if sys.platform != "darwin":
            os.posix_fallocate(descriptor, 0, needed)
        os.ftruncate(descriptor, needed)
    finally:
        os.close(descriptor)


def _opened(
    pixels: Path, stamp: str, digests: Sequence[bytes | Unreadable], frame: PixelFrame
) -> Decoded | None:
    """The images of a pixel file; None if it is not there as it should be."""
    index = kept(pixels.with_suffix(".npz"), stamp)
    try:
        if index is None or pixels.stat().st_size != len(digests) * frame.values:
            return None
    except FileNotFoundError:
        return None
    images = StoredImages.of_file(pixels, (len(digests), 3, frame.height, frame.width))
    rows = index["rows"].astype(np.int64)
    reasons = zip(
        index["bad"].tolist(), index["reasons"].tolist(), index["faults"].tolist(), strict=True
    )
    return Decoded(
        pixels=images.only(torch.from_numpy(rows)),
        digests=tuple(each for row in rows.tolist() if isinstance(each := digests[row], bytes)),
        properties=unpacked(index),
        good=rows,
        bad={row: Unreadable(reason, fault) for row, reason, fault in reasons},
    )


def _remove_others(folder: Path, name: str, pixels: Path) -> None:
    """Remove pixel files of earlier contents; whoever has one open keeps it until he closes it."""
    for file in folder.glob(f"{name}-*"):
        if file.stem != pixels.stem:
            with suppress(OSError):
                file.unlink()
