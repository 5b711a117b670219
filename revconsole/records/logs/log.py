"""Log: a file of lines that only grows, and that a full disk does not stop.

A line that cannot be written waits in memory with those after it, and is written when there is room again. What has
been written stays: the file ends in a whole line, or in the beginning of one that is completed first of all.
"""

import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.files.shared import READABLE, set_mode

MOST_BYTES = 32 * 2**20
"""Lines that may wait; later ones are lost, and counted."""
RETRY_SECONDS = 0.5
COPY_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nothing could be written, now over: how long, why, and how many lines were lost."""

    seconds: float
    why: str
    lost: int


class Log:
    """Write access to a log that does not exist yet. Not safe from several threads.

    lost: lines that found no room in memory either.
    """

    def __init__(self, path: Path) -> None:
        """Create the file. Raises FileExistsError if somebody else did, and OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, READABLE)
        set_mode(self._file)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self.lost, self._lost_before = 0, 0
        self._since, self._tried, self._why = 0.0, float("-inf"), ""

    def append(self, line: bytes) -> Outage | None:
        """Write a line, or keep it for later; the outage that this ended, if it did."""
        if self._bytes + len(line) > MOST_BYTES:
            self.lost += 1
        else:
            self._waiting.append(line)
            self._bytes += len(line)
        if self._since and time.monotonic() - self._tried < RETRY_SECONDS:
            return None
        return self._write_waiting()

    def secure(self, patience: float) -> Outage | None:
        """Force every line to disk, trying again for so many seconds; the outage that this ended, if it did.

        Raises OSError.
        """
        end = time.monotonic() + patience
        while True:
            outage = self._write_waiting()
            if not self._waiting:
                os.fsync(self._file)
                return outage
            if time.monotonic() > end:
                raise OSError(self._why)
            time.sleep(RETRY_SECONDS)

    def touch(self) -> None:
        """Let the file look just written. Raises OSError."""
        os.utime(self._file)

    def deleted(self) -> bool:
        """Whether somebody deleted the file: what is written goes nowhere. Raises OSError."""
        return os.fstat(self._file).st_nlink == 0

    def put_back(self, path: Path) -> None:
        """Write the file anew, with all that was written, and go on there. Raises OSError.

        A file that lost its last name cannot be given one; its content is still to be had.
        """
        hidden = path.with_name(f".{path.name}-{os.getpid()}")
        anew = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, READABLE)
        try:
            set_mode(anew)
            place = 0
            while block := os.pread(self._file, COPY_BYTES, place):
                place += os.write(anew, block)
            hidden.rename(path)
        except OSError:
            os.close(anew)
            hidden.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = anew

    def close(self) -> None:
        """Close the file; lines that wait are lost."""
        os.close(self._file)

    def _write_waiting(self) -> Outage | None:
        try:
            while self._waiting:
                written = os.write(self._file, self._waiting[0])
                self._bytes -= written
                self._waiting[0] = self._waiting[0][written:]
                if not self._waiting[0]:
                    self._waiting.popleft()
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
