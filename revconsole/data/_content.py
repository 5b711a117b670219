"""The content of a file of data: of a regular file alone, and no more of it than a file of its kind may have.

A link is followed: who may link to what is decided where files are listed.
"""

import hashlib
import os
from io import BufferedReader
from pathlib import Path

from revconsole.records.files import bounded

MOST_BYTES = 1 << 40
"""Of a file that is read in pieces."""


def opened(file: Path) -> BufferedReader:
    """A regular file, open for reading. Raises OSError, with the reason, for any other."""
    return bounded.opened(Path(os.path.realpath(file)), MOST_BYTES)


def content_of(file: Path, *, most: int) -> bytes:
    """All bytes of a regular file of at most `most`. Raises OSError, with the reason, for any other."""
    return bounded.read(Path(os.path.realpath(file)), most)


def digest_of(file: Path) -> bytes:
    """The SHA-256 of a regular file, 32 bytes. Raises OSError as `opened` does."""
    with opened(file) as found:
        return hashlib.file_digest(found, "sha256").digest()
