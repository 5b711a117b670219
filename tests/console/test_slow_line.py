"""The console on a terminal that takes its output slowly, or not at all for a while."""

import errno
import os
import pty
import sys
import time
from contextlib import suppress

import pytest

from revconsole.console import terminal
from revconsole.console.screens.run import RunScreen


class Line:
    """A terminal in the place of this process's; nobody reads it unless `drain` is called."""

    def __init__(self):
        self.master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w")
        for end in (self.master, slave):
            os.set_blocking(end, False)

    def fill(self):
        """Write until it takes no more."""
        while terminal.takes_more():
            with suppress(BlockingIOError):
                while True:
                    os.write(self.stream.fileno(), b"x" * 4096)
            time.sleep(0.02)  # the kernel carries it on in its own time

    def drain(self):
        """Read all that was written."""
        while not terminal.takes_more():
            with suppress(BlockingIOError):
                while True:
                    os.read(self.master, 65536)


@pytest.fixture
def line(monkeypatch):
    line = Line()
    monkeypatch.setattr(sys, "__stderr__", line.stream)
    yield line
    line.stream.close()
    os.close(line.master)


async def test_what_changes_waits_until_the_terminal_takes_more_and_then_the_newest_is_shown(
    opened, recorder, line
):
    _, attempt = recorder.begin("slow")
    async with opened() as stage:
        await stage.shows("0/4")
        line.fill()
        for epoch in (1, 2, 3):
            read = stage.app.reader.latest
            recorder.epoch(attempt, epoch)
            await stage.until(lambda read=read: stage.app.reader.latest is not read)
            await stage.pilot.pause(0.1)
            assert "0/4" in stage.text
        line.drain()
        await stage.shows("3/4")
    attempt.close()


async def test_the_first_rows_do_not_wait_so_that_a_key_typed_early_acts_on_them(
    opened, recorder, line
):
    recorder.finished("first")
    line.fill()
    async with opened() as stage:
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.screen, RunScreen))


def test_a_picture_for_which_there_is_no_room_leaves_no_file(tmp_path):
    def full(folder):
        (folder / "a.svg").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert terminal.kept(full, "a.svg", [tmp_path])[0] is None
    assert not (tmp_path / "a.svg").exists()


def test_without_a_terminal_nothing_waits(monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", None)
    assert terminal.takes_more()
