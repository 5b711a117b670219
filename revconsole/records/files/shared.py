"""Shared files: the mode of a run's folder alone decides who may read the run, independent of the umask.

Everything inside is readable for all who may enter the folder, and writable for its owner.
"""

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

READABLE = 0o644
ENTERED = 0o755


def make_folder(path: Path, mode: int = ENTERED, *, exist_ok: bool = False) -> None:
    """Create a folder with exactly this mode. Raises OSError."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if exist_ok:
            return
        raise
    set_mode(path, mode)


def create(path: Path, content: bytes, *, forced: bool = True) -> None:
    """Create a file, and force it to disk unless it need not outlast a loss of power. Raises OSError, also if it exists."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READABLE), "wb") as file:
        set_mode(file.fileno(), READABLE)
        file.write(content)
        file.flush()
        if forced:
            force(file.fileno())


def force(file: int) -> None:
    """Force an open file, or the entries of an open folder, to disk. Raises OSError."""
    if sys.platform == "darwin":  # where fsync leaves it in the cache of the disk
        with suppress(OSError):  # not every file system can
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
            return
    os.fsync(file)


def set_mode(file: Path | int, mode: int = READABLE) -> None:
    """Set the mode of a path or descriptor; ignored by file systems without modes."""
    with suppress(PermissionError):
        os.chmod(file, mode)  # noqa: PTH101  of an open file, too
