"""Reader: the one thread that reads runs and computes figures, so that the event loop does not.

It reads once a second (`refresh_seconds`) while a run trains, otherwise every other second, less often when reading is slow, and at once
when woken. It posts a snapshot only if the snapshot differs from the last one, so an idle console writes nothing.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from revconsole.console.snapshot import Snapshot, WantedByScreen, WantedFigure
from revconsole.errors import NoSuchRun, RevconsoleError, StoreError
from revconsole.lab.board import Board
from revconsole.lab.curves.figures import Figure, figure
from revconsole.lab.curves.subjects import subject
from revconsole.lab.lab import Lab
from revconsole.lab.queue import QueueReader, explained
from revconsole.lab.system import System, SystemReader
from revconsole.records.config.config import DEFAULTS, Config
from revconsole.records.runs.run import Run, Summary
from revconsole.records.runs.run_reader import RunReader
from revconsole.records.runs.strays import described

if TYPE_CHECKING:
    from revconsole.lab.foreseen_steps import ForeseenSteps

IDLE_SECONDS = 2.0
LARGEST_SHARE = 0.2
"""Largest share of one core's time that reading may take."""
MOST_AGAIN = 10
"""Most changes of figures in a row, as by a key that is held, after which the store is read all the same."""
MOST_TAILS = 24
"""Most runs whose points stay in memory after their screen is closed."""


class Reader:
    """Reads for the screen in front. `latest` may be read from any thread. seen: is called with the rows in its thread."""

    def __init__(
        self,
        lab: Lab,
        post: Callable[[Snapshot], object],
        config: Config = DEFAULTS,
        seen: Callable[[Sequence[Summary]], object] = lambda _: None,
    ) -> None:
        self.lab, self.latest, self.config, self._seen = lab, Snapshot(), config, seen
        self._live_seconds: float = config["refresh_seconds"]
        self._post, self._wanted = post, WantedByScreen()
        self._board, self._queues = Board(lab), QueueReader(lab.store)
        self._system: SystemReader | None = None
        self._tails: dict[str, RunReader] = {}
        self._foreseen: ForeseenSteps | None = None
        self._drawn: dict[str, tuple[WantedFigure, tuple[Run, ...], Figure]] = {}
        self._woken, self._ended = threading.Event(), False
        self._asked, self._answered = 1, 0
        self._must_read, self._again_in_row, self._was_there = True, 0, False
        self._looked_for: WantedByScreen | None = None
        self._read = self.latest

    def want(self, wanted: WantedByScreen) -> None:
        """Read these runs and figures from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._asked += 1
            self._woken.set()

    def wake(self) -> None:
        """Read at once, because a run was asked for something."""
        self._must_read = True
        self._asked += 1
        self._woken.set()

    @property
    def settled(self) -> bool:
        """Whether the reader has read since it was last asked to."""
        return self._ended or self._answered == self._asked

    def end(self) -> None:
        """Make `run` return."""
        self._ended = True
        self._woken.set()

    def run(self) -> None:
        """Read until `end`; runs in its own thread."""
        while True:
            self._woken.clear()
            if self._ended:
                return
            before, request = time.monotonic(), self._asked
            snapshot = self.look()
            if snapshot != self.latest:
                self.latest = snapshot
                self._post(snapshot)
            self._answered = request
            live = any(not s.ended for s in snapshot.summaries)
            rest = self._live_seconds if live else max(IDLE_SECONDS, self._live_seconds)
            self._woken.wait(max(rest, (time.monotonic() - before) / LARGEST_SHARE))

    def look(self) -> Snapshot:
        """The newest snapshot. If the store cannot be read, it holds the last rows and the reason."""
        wanted, before = self._wanted, self._looked_for
        self._looked_for = wanted
        self._again_in_row += 1
        sated = self._must_read or self._again_in_row > MOST_AGAIN
        if not sated and _same_but_figures(wanted, before):
            return self._again(wanted)
        self._must_read, self._again_in_row = False, 0
        self.lab.jobs.look_aside()
        try:
            self._refuse_gone()
            listed = self.lab.store.list()
            queues = self._queues.read(listed)
            summaries = explained(listed, queues)
            runs = self._runs(wanted, summaries)
            amiss = (*self.lab.store.problems, described(self.lab.store.strays()))
            self._seen(summaries)
        except RevconsoleError as error:
            return replace(self.latest, complete=True, problem=str(error))
        figures = {n: self._figure(n, p, runs) for n, p in wanted.pictures.items()}
        self._read = Snapshot(
            complete=True,
            summaries=summaries,
            runs=runs,
            figures=figures,
            studies=self._board.entries(summaries) if wanted.studies else None,
            strays="; ".join(filter(None, amiss)),
            queues=queues,
            study=self._board.study(wanted.study, summaries) if wanted.study else None,
            system=self._read_system(summaries) if wanted.system else None,
        )
        return self._read

    def _refuse_gone(self) -> None:
        """Raise StoreError if the folder of the store was there and is no more; one that was never there is an empty store."""
        there = self.lab.store.root.is_dir()
        if self._was_there and not there:
            raise StoreError(
                f"the folder {self.lab.store.root} is gone: these are the runs that were in it"
            )
        self._was_there = there

    def _again(self, wanted: WantedByScreen) -> Snapshot:
        """What was read last, with other figures of it: a zoom does not wait for the store."""
        runs = self._read.runs
        figures = {n: self._figure(n, p, runs) for n, p in wanted.pictures.items()}
        self._read = replace(self._read, figures=figures)
        return self._read

    def _read_system(self, summaries: tuple[Summary, ...]) -> System:
        """The machine; the first reading begins the session with the driver."""
        self._system = self._system or SystemReader(self.lab.store)
        return self._system.read(summaries)

    def _runs(self, wanted: WantedByScreen, rows: tuple[Summary, ...]) -> Mapping[str, Run]:
        existing, waiting = {s.id for s in rows}, {s.id: s for s in rows if s.state == "queued"}
        drawn = (run_id for picture in wanted.pictures.values() for run_id in picture.run_ids)
        ids = [i for i in dict.fromkeys((*wanted.run_ids, *drawn)) if i in existing]
        runs = {}
        for run_id in ids:
            with suppress(NoSuchRun):  # deleted since it was listed
                tail = (
                    self._tails.pop(run_id)
                    if run_id in self._tails
                    else self.lab.store.follow(run_id)
                )
                self._tails[run_id] = tail  # last in line to be forgotten
                runs[run_id] = run = self._with_foreseen(tail.run())
                if run.summary.state == "queued" and run_id in waiting:
                    row = replace(run.summary, reason=waiting[run_id].reason)
                    runs[run_id] = replace(run, summary=row)
        for old in list(self._tails)[: -max(MOST_TAILS, len(ids))]:
            del self._tails[old]
        return runs

    def _with_foreseen(self, run: Run) -> Run:
        """The run; if its log has only measured memory by part, with what the cache foresees of it."""
        if not run.memory or any(each.of == "foreseen" for each in run.memory):
            return run
        if self._foreseen is None:
            from revconsole.lab.foreseen_steps import ForeseenSteps  # only for such a run

            self._foreseen = ForeseenSteps()
        return self._foreseen.added(run)

    def _figure(self, name: str, picture: WantedFigure, runs: Mapping[str, Run]) -> Figure:
        """The figure that a screen wants; the last one if nothing has changed."""
        shown = tuple(runs[run_id] for run_id in picture.run_ids if run_id in runs)
        before = self._drawn.get(name)
        if before is not None and before[:2] == (picture, shown):
            return before[2]
        drawn = figure(subject(picture.subject, shown), shown, picture.frame)
        self._drawn[name] = (picture, shown, drawn)
        return drawn


def _same_but_figures(wanted: WantedByScreen, before: WantedByScreen | None) -> bool:
    """Whether only the figures of the same runs are wanted otherwise than before."""
    if before is None or wanted == before or not (wanted.pictures and before.pictures):
        return False
    same = replace(wanted, pictures=before.pictures) == before
    return same and _drawn_runs(wanted) <= _drawn_runs(before) | set(before.run_ids)


def _drawn_runs(wanted: WantedByScreen) -> set[str]:
    return {run_id for picture in wanted.pictures.values() for run_id in picture.run_ids}
