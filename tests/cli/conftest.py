"""Run the command line in this process, in a pipe or on a terminal, and see what it says."""

import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import pytest

from revconsole.cli.app import main


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capfd):
    """`run("ls", "--json")` → exit code, stdout, stderr. Stdout is no terminal here."""

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["revconsole", *arguments])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


class Screen:
    """A pseudo-terminal in place of the standard streams of this process; `text` is what was written on it."""

    def __init__(self, width: int) -> None:
        self.master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        self._read = b""
        self._reader = threading.Thread(target=self._drain)

    def __enter__(self) -> Self:
        sys.stdout.flush()
        sys.stderr.flush()
        self._usual = [os.dup(number) for number in range(3)]
        for number in range(3):
            os.dup2(self._slave, number)
        os.close(self._slave)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for number, usual in enumerate(self._usual):
            os.dup2(usual, number)
            os.close(usual)
        self._reader.join()
        os.close(self.master)

    @property
    def text(self) -> str:
        return self._read.decode().replace("\r\n", "\n")

    def _drain(self) -> None:
        with suppress(OSError):  # Linux's end of a terminal that nobody holds open
            while block := os.read(self.master, 65536):
                self._read += block


@pytest.fixture
def on_a_terminal(monkeypatch):
    """`on_a_terminal(80, "ls")`: what a command shows, stdout and stderr, on a terminal of so many columns."""

    def call(width: int, *arguments: str) -> str:
        with monkeypatch.context() as patch:
            for name in ("COLUMNS", "LINES"):
                patch.delenv(name, raising=False)
            for name, value in (("NO_COLOR", "1"), ("TERM", "xterm")):
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["revconsole", *arguments])
            with Screen(width) as screen:
                for number, name in enumerate(("stdin", "stdout", "stderr")):
                    mode = "w" if number else "r"
                    stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  for this call
                    patch.setattr(sys, name, stream)
                with suppress(SystemExit):
                    main()
                sys.stdout.flush()
        return screen.text

    return call
