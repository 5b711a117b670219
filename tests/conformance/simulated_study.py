"""A simulated study of many arms on many devices: `python tests/conformance/simulated_study.py [ARMS DEVICES]`.

Nothing is trained. The clock is simulated; each run takes as long as one drawn from recorded runs of every kind
(`tests/records/finished_runs.jsonl.gz`), one attempt in twenty is killed in its midst, one in fifty fails. Everything else
is real: the run folders, their logs, the claims by which each device takes its next run, and what the command line and the
console read. Printed are seconds of this process's CPU time when nothing, half and all of the study is done, for a quarter
of the arms and for all, and by what factor they grow: 4 is in proportion.
"""

import contextlib
import gzip
import heapq
import itertools
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from revconsole.console.reader import Reader
from revconsole.console.snapshot import WantedByScreen
from revconsole.errors import AlreadyClaimed, NoSuchRun
from revconsole.lab.board import AskedStudy
from revconsole.lab.lab import Lab
from revconsole.lab.queue import QueueReader
from revconsole.lab.study import PlannedStudy
from revconsole.records.logs.events import EpochFinished, Failed, Finished, Measured, Started
from revconsole.records.runs.attempt import Attempt, write_json
from revconsole.records.runs.identity import mine
from revconsole.records.runs.next_run import SharedLine
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.own_profile import own_profile

RECORDED = Path(__file__).parents[1] / "records" / "finished_runs.jsonl.gz"
KILLED, FAILED = 0.05, 0.02
EPOCHS, STEPS = 10, 40
PATIENCE = 1.0
"""Simulated seconds after which a device without a run looks again."""


class TakenRun(NamedTuple):
    """A run that belongs to a device from now on."""

    run_id: str
    attempt: Attempt


def next_run(store: RunStore, line: SharedLine, launcher: str = "") -> TakenRun | None:
    """Claim the next run as a worker does that waits for no turn; None if nothing is left to take."""
    while runs := line.open():
        for run_id, number in runs:
            try:
                return TakenRun(run_id, store.claim(run_id, number, launcher))
            except (AlreadyClaimed, NoSuchRun):  # another worker was first, or it was deleted
                continue
    return None


@dataclass(slots=True)
class Watch:
    """CPU seconds by what was done."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def over(self, what: str) -> Iterator[None]:
        """Add what is done inside."""
        before = time.process_time()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - before


def recorded_seconds() -> list[float]:
    """How long each of the recorded runs took."""
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        return [json.loads(line)[1][-1][1] for line in lines]


class Simulation:
    """A study in a store, and the devices that train it. chance: draws times and failures."""

    def __init__(self, folder: Path, arms: int, devices: int, chance: random.Random) -> None:
        self.lab, self.watch = Lab(folder / "runs"), Watch()
        self._file, self._chance, self._times = folder / "many.toml", chance, recorded_seconds()
        self._devices = tuple(f"cuda:{number}" for number in range(devices))
        rates = [round(1e-4 * math.exp(3 * number / arms), 9) for number in range(arms)]
        self._file.write_text(
            f'seeds = [0]\n[study]\ntitle = "many"\n[train]\nepochs = {EPOCHS}\n'
            f"[vary]\n'optimizer.learning_rate' = {rates}\n",
            encoding="utf-8",
        )
        self._gone = replace(mine(), start=mine().start + 1)
        self.clock, self.taken, self.slowest = 0.0, 0, 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, int, TakenRun | None]] = []

    def run(self) -> Watch:
        """Launch the study, let the devices train it, and read it at three moments; returns the CPU seconds."""
        with self.watch.over("plan the study"):
            planned = self.lab.study(str(self._file))
        with self.watch.over("create and queue its runs"):
            runs = self._launched(planned)
        self._read("0 %", planned)
        lines = [SharedLine(self.lab.store, runs) for _ in self._devices]
        for device in range(len(lines)):
            self._wake(device, None, 0.0)
        self._train(lines, until=len(runs) // 2)
        self._read("50 %", planned)
        self._train(lines, until=sys.maxsize)
        self._read("100 %", planned)
        return self.watch

    def _launched(self, planned: PlannedStudy) -> list[tuple[str, int]]:
        store = self.lab.store
        runs = [(store.create(plan, own_profile(plan)), 1) for plan in planned.plans]
        for _ in range(2):  # before there is a process, and when it is known
            for run_id, number in runs:
                store.queue(run_id, number, mine(), "process", slots=self._devices)
        return runs

    def _train(self, lines: list[SharedLine], until: int) -> None:
        """Let each device take its next run when it is free, until so many have been taken, or nothing is left."""
        while self._events and self.taken < until:
            self.clock, _, device, trained = heapq.heappop(self._events)
            if trained is not None:
                self._end(trained)
            taken = self._next(lines[device])
            if taken is not None:
                self.taken += 1
                self._begin(taken.attempt, device)
                self._wake(device, taken, self._chance.choice(self._times))
            elif any(each[3] for each in self._events):  # one of the others may be lost
                self._wake(device, None, PATIENCE)

    def _wake(self, device: int, taken: TakenRun | None, seconds: float) -> None:
        """Let a device come again after so many simulated seconds. taken: the run that it trains meanwhile."""
        heapq.heappush(self._events, (self.clock + seconds, next(self._order), device, taken))

    def _next(self, line: SharedLine) -> TakenRun | None:
        before = time.process_time()
        with self.watch.over("take the next run, all times together"):
            taken = next_run(self.lab.store, line, "process")
        self.slowest = max(self.slowest, time.process_time() - before)
        return taken

    def _begin(self, attempt: Attempt, device: int) -> None:
        facts = {"steps": EPOCHS * STEPS, "steps_per_epoch": STEPS, "epochs": EPOCHS}
        attempt.emit(Started(facts={**facts, "device": self._devices[device], "fingerprint": "f"}))
        for epoch in range(1, EPOCHS // 2 + 1):
            self._epoch(attempt, epoch)

    def _epoch(self, attempt: Attempt, epoch: int) -> None:
        for step in range((epoch - 1) * STEPS + 1, epoch * STEPS + 1):
            attempt.emit(Measured(step=step, epoch=epoch, values={"loss": 2.0 / step}))
        values = {"validation_accuracy": 1 - 1 / epoch, "epoch_seconds": 1.0}
        attempt.emit(EpochFinished(epoch=epoch, step=epoch * STEPS, values=values))

    def _end(self, taken: TakenRun) -> None:
        """Let a run end, fail, or be killed."""
        attempt, lot = taken.attempt, self._chance.random()
        if lot < KILLED:
            attempt.close()
            write_json(attempt.folder / "claim.json", self._gone.to_dict())
            return
        if lot < KILLED + FAILED:
            attempt.fail(Failed(reason="drawn by lot"))
        else:
            for epoch in range(EPOCHS // 2 + 1, EPOCHS + 1):
                self._epoch(attempt, epoch)
            values = {"test_accuracy": self._chance.random()}
            attempt.emit(Finished(outcome="completed", step=EPOCHS * STEPS, values=values))
        attempt.close()

    def _read(self, moment: str, planned: PlannedStudy) -> None:
        """Read everything as a command or a console does, the first time and again."""
        lab = Lab(self.lab.store.root)
        for again in ("first", "again"):
            with self.watch.over(f"{moment}: list the runs, {again}"):
                rows = lab.store.list()
        with self.watch.over(f"{moment}: the queues"):
            QueueReader(lab.store).read(rows)
        with self.watch.over(f"{moment}: study show"):
            lab.forecast(lab.standings(planned, rows), rows)
        screen = WantedByScreen(study=AskedStudy(study=str(self._file)))
        self._look(f"{moment}: the console's study screen", Reader(lab, lambda _: None), screen)
        if any(run.state == "finished" for run in rows):
            with self.watch.over(f"{moment}: report"):
                lab.report_study(planned)

    def _look(self, what: str, reader: Reader, screen: WantedByScreen) -> None:
        reader.want(screen)
        with self.watch.over(f"{what}, first"):
            reader.look()
        reader.wake()
        with self.watch.over(f"{what}, again"):
            reader.look()


def simulated(arms: int, devices: int) -> tuple[Simulation, Watch]:
    """A study with so many arms, simulated to its end in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(Path(folder), arms, devices, random.Random(0))
        return simulation, simulation.run()


os.fsync = lambda _: None  # a disk is waited for, and takes no CPU time


def main(arms: int = 1000, devices: int = 64) -> None:
    """Print the figures."""
    _, few = simulated(arms // 4, devices)
    simulation, many = simulated(arms, devices)
    print(
        f"{arms} arms on {devices} devices: {simulation.taken} attempts, {simulation.clock:.0f} simulated seconds; "
        f"the slowest a device waited for its next run: {simulation.slowest:.3f} s of CPU"
    )
    print(f"{'CPU seconds':<50}{arms // 4:>9}{arms:>9}{'growth':>9}")
    for what, seconds in many.seconds.items():
        before = few.seconds.get(what, 0.0)
        growth = f"{seconds / before:.1f}" if before > 0.001 else ""
        print(f"{what:<50}{before:>9.3f}{seconds:>9.3f}{growth:>9}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
