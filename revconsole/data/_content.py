"""Content of data files: only regular files are read, up to a size limit.

Links are followed; whether a link is allowed is decided where files are listed.
"""

import hashlib
import os
from io import BufferedReader
from pathlib import Path

from revconsole.records.files import bounded

MOST_BYTES = 1 << 40
"""Largest accepted file that is read in pieces."""


def opened(file: Path) -> BufferedReader:
    """A regular file opened for reading. Raises OSError with the reason for any other."""
    return bounded.opened(Path(os.path.realpath(file)), MOST_BYTES)


def content_of(file: Path, *, most: int) -> bytes:
    """All bytes of a regular file of at most `most` bytes. Raises OSError with the reason for any other."""
    return bounded.read(Path(os.path.realpath(file)), most)


def digest_of(file: Path) -> bytes:
    """The SHA-256 of a regular file, 32 bytes. Raises OSError as `opened` does."""
    with opened(file) as content:
        return hashlib.file_digest(content, "sha256").digest()
