"""Whether a terminal keeps up, by the answers that it gives."""

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections import deque
from types import SimpleNamespace

import pytest
from textual.events import CursorPosition

from revconsole.console import pace
from revconsole.console.pace import QUESTION, TerminalPace
from tests.conformance.pseudo_terminal import COLUMNS, ROWS, Screen

CONSOLE = """
import sys
from pathlib import Path
from revconsole.console import legible, pace
from revconsole.console.session import run_console

legible.ANSWER_SECONDS = pace.LOST_SECONDS = 600.0  # however slow the machine is
sys.exit(run_console(Path(sys.argv[1])))
"""
DELAY, RATE, BLOCK = 0.2, 64_000, 512
"""Seconds either way, bytes a second, and bytes that arrive at once."""
PATIENCE_SECONDS = 300.0
TYPED = "scheme:bdia NOT loss>3 best>0.25 seed=2"


@pytest.fixture
def now(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def test_a_terminal_that_never_answers_keeps_nobody_waiting(now):
    asked = TerminalPace()
    assert asked.ask() == QUESTION
    assert (asked.waits, asked.open, asked.ask()) == (False, True, "")
    now[0] += pace.LOST_SECONDS + 1
    assert not asked.waits
    assert asked.ask() == QUESTION


def test_what_is_written_waits_for_the_answer_of_one_that_answers_until_it_does_not_any_more(now):
    asked = TerminalPace()
    asked.ask()
    asked.hear()
    assert not asked.waits
    asked.ask()
    assert asked.waits
    now[0] += pace.LOST_SECONDS + 1
    assert not asked.waits
    asked.ask()
    assert not asked.waits, "it counts as one that never answers"


async def test_over_a_line_a_snapshot_waits_for_the_answer_to_the_one_before(
    opened, recorder, monkeypatch
):
    def written(text):
        asked.extend(re.findall(re.escape(QUESTION), text))

    monkeypatch.setenv("SSH_TTY", "/dev/pts/9")
    monkeypatch.setattr(pace, "LOST_SECONDS", 600.0)
    asked = []
    _, attempt = recorder.begin("far")
    async with opened() as stage:
        monkeypatch.setattr(stage.app._driver, "write", written)
        await stage.shows("0/4")
        recorder.epoch(attempt, 1)
        await stage.shows("1/4")
        await stage.until(lambda: stage.app.pace.open)
        stage.app.post_message(CursorPosition(0, 0))
        await stage.until(lambda: not stage.app.pace.open)
        recorder.epoch(attempt, 2)
        await stage.shows("2/4")
        await stage.until(lambda: stage.app.pace.open)
        read = stage.app.reader.latest
        recorder.epoch(attempt, 3)
        await stage.until(lambda: stage.app.reader.latest is not read)
        await asyncio.sleep(0.3)
        assert "2/4" in stage.text
        stage.app.post_message(CursorPosition(0, 0))
        await stage.shows("3/4")
        stage.app.post_message(CursorPosition(0, 0))
        await stage.until(lambda: not stage.app.pace.open)
    assert len(asked) >= 2
    attempt.close()


class FarTerminal:
    """The console in a terminal at the end of a slow line: whatever it writes is taken at once, as sshd does, and shown late.

    open: questions that it has been asked and whose answers have not reached the console. most_open: the most at any time.
    """

    def __init__(self, store):
        self._end, slave = pty.openpty()
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-X", "preloaded", "-c", CONSOLE, str(store)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "SSH_TTY": "/dev/pts/9"},
        )  # fmt: skip
        os.close(slave)
        self.screen, self.asked, self.open, self.most_open = Screen(), 0, 0, 0
        self._coming, self._going, self._free = deque(), deque(), 0.0

    def press(self, keys):
        self._going.append((time.monotonic() + DELAY, keys.encode(), 0))

    def until(self, happened):
        end = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < end, "\n".join(self.screen.lines)
            self._carry()

    def shows(self, text):
        self.until(lambda: any(text in line for line in self.screen.lines))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    def _carry(self):
        """Move on what is under way."""
        if select.select([self._end], [], [], 0.01)[0]:
            try:
                came = os.read(self._end, 65536)
            except OSError:  # the console has ended
                came = b""
            now = time.monotonic()
            for at in range(0, len(came), BLOCK):
                block = came[at : at + BLOCK]
                self._free = max(self._free, now) + len(block) / RATE
                self._coming.append((self._free + DELAY, block))
            self.open += (questions := came.count(QUESTION.encode()))
            self.most_open = max(self.most_open, self.open)
            self.asked += questions
        while self._coming and self._coming[0][0] < time.monotonic():
            block = self._coming.popleft()[1]
            self.screen.feed(block)
            if questions := block.count(QUESTION.encode()):
                self._going.append((time.monotonic() + DELAY, b"\x1b[1;1R" * questions, questions))
        while self._going and self._going[0][0] < time.monotonic():
            _, keys, answers = self._going.popleft()
            os.write(self._end, keys)
            self.open -= answers


@pytest.mark.slow
def test_over_a_slow_line_keys_arrive_in_order_the_newest_is_shown_and_no_answer_is_left_to_the_shell(
    store, recorder
):
    _, attempt = recorder.begin("far")
    far = FarTerminal(store.root)
    try:
        far.shows("0/4")
        far.press("/")
        for key in TYPED:
            far.press(key)
        far.shows(TYPED)
        far.press("\x1b")
        for epoch in (1, 2, 3):
            recorder.epoch(attempt, epoch)
            far.until(lambda asked=far.asked: far.asked > asked)
        far.shows("3/4")
        far.press("q")
        far.until(lambda: far.process.poll() is not None)
        assert (far.process.returncode, far.most_open, far.open) == (0, 1, 0)
    finally:
        far.close()
        attempt.close()
