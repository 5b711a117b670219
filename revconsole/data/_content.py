"""The content of a file of data: of a regular file alone, and no more of it than a file of its kind may have.

A FIFO would hold its reader for ever, a device has no end, and a sparse file of a few bytes on disk fills the memory.
"""

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

NONBLOCKING = getattr(os, "O_NONBLOCK", 0)
"""Windows has neither this nor a FIFO to wait for."""


def opened(file: Path) -> BufferedReader:
    """A regular file, open for reading; a link is followed. Raises OSError, with the reason, for any other."""
    descriptor = os.open(file, os.O_RDONLY | NONBLOCKING | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(file))
    return os.fdopen(descriptor, "rb")


def content_of(file: Path, *, most: int) -> bytes:
    """All bytes of a regular file of at most `most`. Raises OSError as `opened` does, and for a larger one."""
    with opened(file) as found:
        if os.fstat(found.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(file))
        return found.read(most)


def digest_of(file: Path) -> bytes:
    """The SHA-256 of a regular file, 32 bytes. Raises OSError as `opened` does."""
    with opened(file) as found:
        return hashlib.file_digest(found, "sha256").digest()
