"""Shared files: the mode of a run's folder alone decides who may read the run, whatever the umask is.

Everything inside may be read by all who may enter, and written by its owner.
"""

import os
from contextlib import suppress
from pathlib import Path

READABLE = 0o644
ENTERED = 0o755


def make_folder(path: Path, mode: int = ENTERED, *, exist_ok: bool = False) -> None:
    """A new folder of this very mode. Raises OSError."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if exist_ok:
            return
        raise
    set_mode(path, mode)


def create(path: Path, content: bytes) -> None:
    """A new file, forced to disk. Raises OSError, also if there is one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READABLE), "wb") as file:
        set_mode(file.fileno(), READABLE)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def set_mode(file: Path | int, mode: int = READABLE) -> None:
    """Give a file or folder, or an open one, its mode, as far as its file system knows modes."""
    with suppress(PermissionError):
        os.chmod(file, mode)  # noqa: PTH101  of an open file, too
