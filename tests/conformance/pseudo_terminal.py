"""A program in a pseudo-terminal of 160x45, what its screen shows, and the times of what it writes."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

COLUMNS, ROWS = 160, 45
PATIENCE_SECONDS = 180.0
TOKEN = re.compile(r"\x1b\[(\d*);?(\d*)H|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_].*?\x1b\\|[ -/]*[0-Z\\^-~])|([^\x1b])", re.DOTALL)  # fmt: skip
"""Where to write, another escape sequence, or a character; what is incomplete is none of them."""


class Screen:
    """The characters on a terminal of a size, each in one cell."""

    def __init__(self) -> None:
        self._lines = [[" "] * COLUMNS for _ in range(ROWS)]
        self._decoder, self._rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        self._x = self._y = 0

    @property
    def lines(self) -> list[str]:
        """The lines from the top."""
        return ["".join(line) for line in self._lines]

    def feed(self, came: bytes) -> None:
        """Take what was written."""
        text, at = self._rest + self._decoder.decode(came), 0
        while match := TOKEN.match(text, at):
            row, column, character = match.groups()
            if row is not None:
                self._x, self._y = int(column or 1) - 1, int(row or 1) - 1
            elif character is not None:
                self._put(character)
            at = match.end()
        self._rest = text[at:]

    def _put(self, character: str) -> None:
        if character == "\r":
            self._x = 0
        elif character == "\n":
            self._y += 1
        elif self._x < COLUMNS and self._y < ROWS:
            self._lines[self._y][self._x] = character
            self._x += 1


class PseudoTerminal:
    """A program that was started in a folder. environment: variables that it has beside ours."""

    def __init__(self, command: Sequence[str], folder: Path, **environment: str) -> None:
        self.begun, self.screen = time.monotonic(), Screen()
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
        came = os.read(self.end, 65536) if select.select([self.end], [], [], seconds)[0] else b""
        self.screen.feed(came)
        return came

    def until_shown(self, word: str, beside: str = "") -> float:
        """Seconds until a line of the screen has a word, and another one beside it."""
        return self.until(lambda _: any(word in line and beside in line for line in self.screen.lines))  # fmt: skip

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
