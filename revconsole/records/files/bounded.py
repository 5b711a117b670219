"""Bounded reading: every file of a store is opened here, and nothing else is opened in its place.

A run folder may come from somebody else, or from a disk that damaged it. A FIFO would block its reader for ever, a
device has no end, a link leads out of the store, and a sparse file of a few bytes on disk fills the memory. So only
regular files are opened, without waiting and without following a link, and no more of them is read than anything we
write could need.
"""

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

NOTE_BYTES = 1 << 16
"""Most of a claim, a request, a note of a launcher or a supervisor: some hundred bytes each."""
RECORD_BYTES = 1 << 22
"""Most of a plan, a row, a manifest: some KiB each."""
INDEX_BYTES = 1 << 28
"""Most of an index: about a KiB for each ended run."""
LOG_BYTES = 1 << 32
"""Most of an event log: a million steps of four metrics take 212 MiB."""


class OddFile(OSError):  # noqa: N818  the name says what is there
    """Something that nobody writes into a store stands where a file should be; `strerror` says what."""


def opened(path: Path, most: int) -> BufferedReader:
    """A regular file of at most `most` bytes, open for reading.

    Raises OddFile for a link, another kind of file or a larger one, and OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a socket
            raise OddFile(error.errno, "is not a regular file", str(path)) from None
        raise
    found = os.fstat(descriptor)
    odd = _odd(found, most)
    if odd:
        os.close(descriptor)
        raise OddFile(errno.EINVAL, odd, str(path))
    return os.fdopen(descriptor, "rb")


def _odd(found: os.stat_result, most: int) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_size > most:
        return f"is larger than {most:,} bytes"
    return ""


def read(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError as `opened` does."""
    with opened(path, most) as file:
        return file.read(most)


def files(folder: Path) -> list[str]:
    """Names of the regular files in a folder that is no link, in no order. Raises OSError."""
    return _names(folder, os.DirEntry.is_file)


def folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, links neither followed nor listed, in no order. Raises OSError."""
    return _names(folder, os.DirEntry.is_dir)


def _names(folder: Path, wanted: Callable[..., bool]) -> list[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as found:
            return [entry.name for entry in found if wanted(entry, follow_symlinks=False)]
    finally:
        os.close(descriptor)
