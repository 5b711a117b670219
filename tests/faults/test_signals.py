"""Signals and lost terminals: runs stop, stand still or go elsewhere, and say which."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import psutil
import pytest

from tests.faults.conftest import PATIENCE_SECONDS

LEFT = b"\x1b[?1049l"
OWN_TERMINAL = """
import fcntl, os, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1:4] != [sys.executable, "-m", "revconsole"]:
    os.execvp(sys.argv[1], sys.argv[1:])
del sys.argv[1:4]
runpy.run_module("revconsole", run_name="__main__", alter_sys=True)
"""


class Terminal:
    """A program in a real pseudo-terminal."""

    def __init__(self, command, rows=24, columns=80, **surroundings):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "preloaded", "-c", OWN_TERMINAL, *command], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **surroundings},
        )  # fmt: skip
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, wanted, seconds=PATIENCE_SECONDS):
        """Read until the program has written something."""
        seen, end = b"", time.monotonic() + seconds
        while wanted not in seen:
            assert time.monotonic() < end, seen[-3000:]
            if select.select([self.master], [], [], 0.1)[0]:
                seen += os.read(self.master, 65536)
        return seen

    def drain(self, seconds):
        """Read whatever is written for a while."""
        seen, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                try:
                    seen += os.read(self.master, 65536)
                except OSError:
                    break
        return seen

    def hang_up(self):
        """Take the terminal away, as a lost line does."""
        os.close(self.master)


@pytest.fixture
def terminal():
    opened = []

    def made(*arguments, **more):
        opened.append(Terminal(*arguments, **more))
        return opened[-1]

    yield made
    for each in opened:
        each.process.kill()
        each.process.wait()


@pytest.mark.slow
def test_a_command_that_loses_its_terminal_hands_its_run_over(site, noted, terminal, complete):
    shell = terminal(site.command("train", "faulty"))
    site.until(site.lab.store.list)
    run_id = site.lab.store.list()[0].id
    site.reaches(run_id, 5)
    shell.hang_up()
    gone = site.until(lambda: shell.process.poll() is not None)
    assert shell.process.returncode == 128 + signal.SIGHUP
    moved = site.until(lambda: site.lab.summary(run_id).attempt == 2)
    run = site.finish(run_id)
    assert (run.summary.state, run.summary.attempt) == ("finished", 2)
    noted("terminal of `train` lost", 1, worst=gone + moved)


@pytest.mark.slow
def test_a_console_that_loses_its_terminal_hands_its_run_over(site, noted, terminal):
    console = terminal(site.command("demo", "scheme.name=additive", "train.epochs=300"))
    console.shows(b"\x1b[?1049h")
    site.until(site.lab.store.list)
    run_id = site.lab.store.list()[0].id
    tail = site.lab.store.follow(run_id)
    while tail.summary().step < 5:
        console.drain(0.1)
    console.hang_up()
    gone = site.until(lambda: console.process.poll() is not None)
    moved = site.until(lambda: tail.summary().attempt == 2 and tail.summary().state == "running")
    site.lab.stop(run_id)
    assert site.finish(run_id).summary.state == "stopped"
    noted("terminal of the console lost", 1, worst=gone + moved)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "why"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")]
)
def test_a_command_told_to_end_stops_its_run_and_says_why(site, noted, number, code, why, request):
    if number is not signal.SIGINT:  # SIGTERM is the subject of cli/test_leaving too
        request.getfixturevalue("complete")
    run_id, command = site.terminal("train.epochs=100000")
    site.reaches(run_id, 5)
    command.send_signal(number)
    took = site.until(lambda: command.poll() is not None)
    assert command.returncode == code
    summary = site.lab.summary(run_id)
    assert summary.state == "stopped"
    assert summary.reason.endswith(f"({why})")
    steps = [p.name for p in (site.lab.store.folder(run_id) / "checkpoints").iterdir()]
    assert f"step-{summary.step:09d}" in steps
    noted(f"{why} to `train`", 1, worst=took)


@pytest.mark.slow
def test_a_background_process_told_to_end_stops_its_run_and_says_why(site, noted, complete):
    run_id = site.detached()
    site.reaches(run_id, 5)
    site.trainer(run_id).send(signal.SIGTERM)
    took = site.until(lambda: site.lab.summary(run_id).ended)
    assert site.lab.summary(run_id).state == "stopped"
    assert site.lab.summary(run_id).reason.endswith("(SIGTERM)")
    noted("SIGTERM to a background process", 1, worst=took)


@pytest.mark.slow
def test_a_process_that_is_held_is_stalled_and_goes_on(site, noted, complete):
    run_id = site.detached()
    site.reaches(run_id, 5)
    trainer = site.trainer(run_id)
    trainer.send(signal.SIGSTOP)
    took = site.until(lambda: site.lab.summary(run_id).state == "stalled")
    trainer.send(signal.SIGCONT)
    site.until(lambda: site.lab.summary(run_id).state != "stalled")
    assert site.finish(run_id).summary.state == "finished"
    noted("SIGSTOP, then SIGCONT", 1, worst=took)


@pytest.mark.slow
def test_the_parent_console_may_be_killed(site, noted, terminal, complete):
    """What trains in it is lost with it and resumed; what it launched in the background never notices."""
    background = site.detached()
    site.reaches(background, 1)
    console = terminal(site.command("demo", "scheme.name=additive", "train.epochs=300"))
    site.until(lambda: len(site.lab.store.list()) == 2)
    inside = next(run.id for run in site.lab.store.list() if run.id != background)
    tail = site.lab.store.follow(inside)
    while tail.summary().step < 5:
        console.drain(0.1)
    console.process.kill()
    console.process.wait()
    read = site.lab.store.read(inside)
    assert read.summary.state == "lost"
    worst = site.resume(inside)
    site.regains(inside, read)
    assert site.finish(background).summary.state == "finished"
    noted("kill -9 of the console", 1, worst=worst)


def test_a_real_terminal_may_become_tiny_and_grow_again(site, noted, terminal):
    console = terminal(site.command())
    console.shows(b"No runs yet")
    for rows, columns in ((3, 10), (1, 1), (24, 80)):
        console.resize(rows, columns)
        console.process.send_signal(signal.SIGWINCH)
        console.drain(0.5)
    console.resize(30, 100)
    console.process.send_signal(signal.SIGWINCH)
    console.shows(b"No runs yet")
    os.write(console.master, b"q")
    console.shows(LEFT)
    assert console.process.wait(PATIENCE_SECONDS) == 0
    noted("terminal resized to 10x3, 1x1 and back", 1)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_console_without_a_terminal_ends_with_no_more_work_than_its_start(
    site, noted, terminal, ignored
):
    before = "trap '' HUP; " if ignored else ""
    console = terminal(["sh", "-c", before + 'exec "$@"', "sh", *site.command()])
    console.shows(b"No runs yet")
    began = cpu(console.process.pid)
    used = began
    console.hang_up()
    lost = time.monotonic()
    while console.process.poll() is None:
        assert time.monotonic() < lost + PATIENCE_SECONDS
        used = max(used, cpu(console.process.pid))
        time.sleep(0.01)
    took, used = time.monotonic() - lost, used - began
    assert used < max(2.0, began), "it must not spin"
    how = "ignored" if ignored else "received"
    noted(f"terminal lost, SIGHUP {how} ({used:.2f} s of CPU)", 1, worst=took)


def cpu(pid):
    """CPU seconds of a process so far; 0 once it has gone."""
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return used.user + used.system
