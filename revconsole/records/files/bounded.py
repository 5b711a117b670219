"""Bounded reading: every file of a store is opened here, and only regular files of bounded size are.

A run folder may come from somebody else or from a damaged disk: a FIFO blocks its reader, a device has no end, a link
leads out of the store, and a sparse file fills the memory.
"""

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

NOTE_BYTES = 1 << 16
"""Largest accepted claim, request, launcher note or supervisor note; each has some hundred bytes."""
RECORD_BYTES = 1 << 22
"""Largest accepted plan, row or manifest; each has some KiB."""
INDEX_BYTES = 1 << 28
"""Largest accepted store cache; it has about one KiB per ended run."""
LOG_BYTES = 1 << 32
"""Largest accepted event log; a million steps of four metrics take 212 MiB."""

ODD = {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP}
"""How opening fails at a link (EMLINK on FreeBSD) and at a socket (EOPNOTSUPP on macOS and the BSDs)."""


class OddFile(OSError):  # noqa: N818  the name says what is there
    """A link, a special file or an oversized file stands where a regular file should be; `strerror` says which."""


def opened(path: Path, most: int) -> BufferedReader:
    """A regular file of at most `most` bytes, opened for reading. Raises OddFile for anything else, and OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in ODD:
            raise OddFile(error.errno, "is not a regular file", str(path)) from None
        raise
    status = os.fstat(descriptor)
    fault = _odd(status, most)
    if fault:
        os.close(descriptor)
        raise OddFile(errno.EINVAL, fault, str(path))
    return os.fdopen(descriptor, "rb")


def _odd(status: os.stat_result, most: int) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_size > most:
        return f"is larger than {most:,} bytes"
    return ""


def read(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError as `opened` does."""
    with opened(path, most) as file:
        return file.read(most)


def files(folder: Path) -> list[str]:
    """Names of the regular files in a folder that is not a link, in no particular order. Raises OSError."""
    return _names(folder, os.DirEntry.is_file)


def folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, without links, in no particular order. Raises OSError."""
    return _names(folder, os.DirEntry.is_dir)


def _names(folder: Path, accepts: Callable[..., bool]) -> list[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            return [entry.name for entry in entries if accepts(entry, follow_symlinks=False)]
    finally:
        os.close(descriptor)
