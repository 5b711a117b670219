"""A program in a pseudo-terminal of 160x45, and the times of what it writes."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COLUMNS, ROWS = 160, 45
PATIENCE_SECONDS = 180.0


class PseudoTerminal:
    """A program that was started in a folder. environment: variables that it has beside ours."""

    def __init__(self, command: Sequence[str], folder: Path, **environment: str) -> None:
        self.begun = time.monotonic()
        self.pid, self.end = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.environ.update(environment)
            os.execvp(command[0], command)
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, size)

    def press(self, key: bytes) -> None:
        """Send a key."""
        os.write(self.end, key)

    def until(self, shows: Callable[[bytes], bool]) -> float:
        """Seconds until what has been written meanwhile is such."""
        begun, written = time.monotonic(), b""
        while not shows(written):
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise SystemExit(f"waited in vain; the last was\n{written[-3000:]!r}")
            written += self.read(0.02)
        return time.monotonic() - begun

    def read(self, seconds: float) -> bytes:
        """What comes within so many seconds, or the first of it."""
        return os.read(self.end, 65536) if select.select([self.end], [], [], seconds)[0] else b""

    def written(self, seconds: float) -> int:
        """Bytes that come within so many seconds."""
        end, count = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            count += len(self.read(left))
        return count

    def close(self) -> None:
        """End the program."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.end)
