"""Faults, injected into real processes. Short in the gate; `make faults` injects them more often.

REVCONSOLE_FAULTS is how often the random ones are injected, REVCONSOLE_FAULT_SEED what they are drawn from. Every fault
is a row of the table that pytest prints at the end.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from revconsole.lab.lab import Lab
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.run import Run

PATIENCE_SECONDS = 300.0
PROFILE = """
title = "everything random at once, in a few seconds"
[model]
patch = 4
dim = 16
depth = 3
heads = 2
mlp_ratio = 1.0
dropout = 0.1
drop_path = 0.1
[data]
dataset = "digits"
train_limit = 512
augment = "crop"
crop_padding = 1
[train]
epochs = 20
batch = 30
accumulate = 3
threads = 1
device = "cpu"
checkpoint_steps = 7
audit = false
"""
REPEATED = ("loss", "gradient_norm", "train_loss", "validation_accuracy", "test_loss")
COLUMNS = ("fault", "times", "survived", "lost", "worst recovery")


class Site:
    """A store with runs in processes of their own, and what can befall them."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.lab, self.chance = Lab(root), chance
        self.commands: list[subprocess.Popen[bytes]] = []
        Path("faulty.toml").write_text(PROFILE, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """Of the command line, on this store."""
        return [sys.executable, "-m", "revconsole", "--store", str(self.lab.store.root), *arguments]

    def told(self, *arguments: str) -> tuple[int, str]:
        """What the command line answers: its exit status, and all that it prints."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def detached(self, **settings: Any) -> str:
        """A run in a background process."""
        (run_id,) = self.lab.launch(self.lab.plan("faulty", settings), "process")
        return run_id

    def terminal(self, *settings: str) -> "tuple[str, subprocess.Popen[bytes]]":
        """A run in a thread of the command line."""
        known = {run.id for run in self.lab.store.list()}
        process = subprocess.Popen(
            self.command("train", "faulty", *settings),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ, start_new_session=True,
        )  # fmt: skip
        self.commands.append(process)
        self.until(lambda: {run.id for run in self.lab.store.list()} - known)
        return next(run.id for run in self.lab.store.list() if run.id not in known), process

    def until(self, happened: Callable[[], object]) -> float:
        """Wait for something; returns how long it took."""
        began = time.monotonic()
        while not happened():
            assert time.monotonic() - began < PATIENCE_SECONDS, [
                (run.id, run.state, run.reason, run.step) for run in self.lab.store.list()
            ]
            time.sleep(0.01)
        return time.monotonic() - began

    def reaches(self, run_id: str, step: int) -> Run:
        """Wait until a run has come so far, or has ended."""
        tail = self.lab.store.follow(run_id)
        self.until(lambda: tail.summary().step >= step or tail.summary().ended)
        return self.lab.store.read(run_id)

    def trainer(self, run_id: str) -> Identity:
        """The process that writes a run."""
        folder = self.lab.store.folder(run_id)
        holder = attempts.owner(folder, max(attempts.numbers(folder)))
        assert holder is not None
        return holder

    def kill(self, run_id: str) -> Run:
        """SIGKILL the process that writes a run; returns what could be read of the run until then."""
        trainer = self.trainer(run_id)
        known = self.lab.store.read(run_id)
        assert trainer.send(signal.SIGKILL)
        assert trainer.wait(PATIENCE_SECONDS)
        return known

    def finish(self, run_id: str) -> Run:
        """Wait for the end of a run."""
        self.until(lambda: self.lab.summary(run_id).ended)
        return self.lab.store.read(run_id)

    def resume(self, run_id: str) -> float:
        """Go on in a background process; returns the seconds until it takes its next step."""
        before = self.lab.summary(run_id)
        self.lab.resume(run_id, "process")
        tail = self.lab.store.follow(run_id)

        def moves() -> bool:
            now = tail.summary()
            return now.attempt > before.attempt and (now.state == "running" or now.ended)

        return self.until(moves)

    @staticmethod
    def lost(before: Run, after: Run) -> int:
        """Points of the log that were read once and have gone, or have changed since."""
        missing = 0
        for name in REPEATED:
            if name in before.series:
                was, now = (
                    dict(zip(r.series[name].steps, r.series[name].values, strict=True))
                    for r in (before, after)
                )
                missing += sum(repr(now.get(step)) != repr(value) for step, value in was.items())
        return missing

    def regains(self, run_id: str, read: Run) -> None:
        """Wait until everything that was once read of a run is there again, with the same values."""
        self.until(lambda: self.lost(read, self.lab.store.read(run_id)) == 0)

    @staticmethod
    def same(left: Run, right: Run) -> None:
        """Two runs computed the same, to the bit, and neither has a gap, a step twice or a jump."""
        assert [left.summary.state, right.summary.state] == ["finished", "finished"]
        for name in REPEATED:
            assert left.series[name].steps == right.series[name].steps, name
            assert left.series[name].values == right.series[name].values, name
        assert left.summary.weights_sha256 == right.summary.weights_sha256 != ""
        steps = right.series["loss"].steps
        assert steps == list(range(1, len(steps) + 1))


@pytest.fixture
def often() -> Callable[[int], int]:
    """How often a random fault is injected: so often in the gate, more often when asked."""
    return lambda short: int(os.environ.get("REVCONSOLE_FAULTS", short))


@pytest.fixture
def complete() -> None:
    """For faults that the gate injects in memory, or in fewer places: skip unless all are wanted."""
    if "REVCONSOLE_FAULTS" not in os.environ:
        pytest.skip("`make faults` injects it")


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    seed = int(os.environ.get("REVCONSOLE_FAULT_SEED", "0"))
    made = Site(tmp_path / "runs", random.Random(seed))
    yield made
    for run in made.lab.store.list():
        if not run.ended and run.attempt and made.trainer(run.id).pid != os.getpid():
            made.trainer(run.id).send(signal.SIGKILL)
    for command in made.commands:
        command.kill()
        command.wait()


@pytest.fixture
def noted(record_property):
    """Put a row into the table: the fault, how often, what was lost, the worst recovery in seconds."""

    def note(fault: str, times: int, *, lost: int = 0, worst: float | None = None) -> None:
        shown = "" if worst is None else f"{worst:.1f} s"
        row = [fault, str(times), str(times), str(lost) if lost else "nothing", shown]
        record_property("fault", json.dumps(row))
        assert lost == 0

    return note


def pytest_terminal_summary(terminalreporter) -> None:
    """The table of faults."""
    reports = terminalreporter.stats.get("passed", [])
    rows = [
        json.loads(value) for r in reports for name, value in r.user_properties if name == "fault"
    ]
    if rows:
        widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
        terminalreporter.section("faults")
        for row in (COLUMNS, *sorted(rows)):
            terminalreporter.line("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)))
