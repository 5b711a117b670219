"""Log: an append-only file of whole lines that survives a full disk: what cannot be written waits in memory."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from revconsole.records.files.shared import READABLE, force, set_mode

MOST_BYTES = 32 * 2**20
"""Bytes of lines that may wait in memory; later lines are lost and counted."""
RETRY_SECONDS = 0.5
COPY_BYTES = 2**22


class Outage(NamedTuple):
    """A period, now over, in which nothing could be written: its length, its cause and the number of lines lost."""

    seconds: float
    why: str
    lost: int


class Log:
    """Write access to a new log file. Not thread-safe. lost: number of lines that found no space on disk or in memory."""

    def __init__(self, path: Path) -> None:
        """Create the file. Raises FileExistsError if it exists already, and OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, READABLE)
        set_mode(self._file)
        self._waiting = bytearray()
        self.lost, self._lost_before = 0, 0
        self._since, self._tried, self._why = 0.0, float("-inf"), ""

    def append(self, *lines: bytes) -> Outage | None:
        """Write lines by one call of the system, or keep them for later. Returns the outage that this ended, if there was one."""
        for line in lines:
            if len(self._waiting) + len(line) > MOST_BYTES:
                self.lost += 1
            else:
                self._waiting += line
        if self._since and time.monotonic() - self._tried < RETRY_SECONDS:
            return None
        return self._write_waiting()

    def secure(self, patience: float) -> Outage | None:
        """Force every line to disk within `patience` seconds; returns the outage that this ended, if any. Raises OSError."""
        end = time.monotonic() + patience
        while True:
            outage = self._write_waiting()
            if not self._waiting:
                force(self._file)
                return outage
            if time.monotonic() > end:
                raise OSError(self._why)
            time.sleep(RETRY_SECONDS)

    def touch(self) -> None:
        """Set the modification time of the file to now. Raises OSError."""
        os.utime(self._file)

    def deleted(self) -> bool:
        """Whether the file was deleted, so that writes are lost. Raises OSError."""
        return os.fstat(self._file).st_nlink == 0

    def put_back(self, path: Path) -> None:
        """Recreate a deleted file at `path` from the open descriptor, and continue there. Raises OSError."""
        hidden = path.with_name(f".{path.name}-{os.getpid()}")
        replacement = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, READABLE)
        try:
            set_mode(replacement)
            place = 0
            while block := os.pread(self._file, COPY_BYTES, place):
                place += os.write(replacement, block)
            hidden.rename(path)
        except OSError:
            os.close(replacement)
            hidden.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = replacement

    def close(self) -> None:
        """Close the file; lines that still wait are lost."""
        os.close(self._file)

    def _write_waiting(self) -> Outage | None:
        try:
            while self._waiting:
                written = os.write(self._file, self._waiting)
                del self._waiting[:written]
        except OSError as error:
            self._tried, self._why = time.monotonic(), error.strerror or str(error)
            self._since = self._since or self._tried
            return None
        if not self._since:
            return None
        lost = self.lost - self._lost_before
        over = Outage(time.monotonic() - self._since, self._why, lost)
        self._since, self._lost_before = 0.0, self.lost
        return over
