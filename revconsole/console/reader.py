"""Reader: the one thread that reads runs and draws up figures, so that the event loop never does.

It looks once a second while anything trains (every other second otherwise, less often when looking is slow, at
once when woken) and posts a snapshot only if it differs from the last one: an idle console writes nothing.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from revconsole.console.snapshot import Snapshot, WantedByScreen, WantedFigure
from revconsole.errors import NoSuchRun, RevconsoleError
from revconsole.lab.board import Board
from revconsole.lab.curves.figures import Figure, figure
from revconsole.lab.lab import Lab
from revconsole.records.runs.run import Run
from revconsole.records.runs.strays import described
from revconsole.records.runs.tail import Tail

LIVE_SECONDS, IDLE_SECONDS = 1.0, 2.0
LARGEST_SHARE = 0.2
"""Of one core, spent on looking."""
MOST_TAILS = 24
"""Runs whose points stay in memory after their screen is gone."""


class Reader:
    """Reads on behalf of whichever screen is in front. `latest` may be read from any thread."""

    def __init__(self, lab: Lab, post: Callable[[Snapshot], object]) -> None:
        self.lab, self.latest = lab, Snapshot()
        self._post, self._wanted = post, WantedByScreen()
        self._board = Board(lab)
        self._tails: dict[str, Tail] = {}
        self._drawn: dict[str, tuple[WantedFigure, tuple[Run, ...], Figure]] = {}
        self._woken, self._ended = threading.Event(), False
        self._asked, self._answered = 1, 0

    def want(self, wanted: WantedByScreen) -> None:
        """Look at these runs and figures from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self.wake()

    def wake(self) -> None:
        """Look now: something was asked of a run."""
        self._asked += 1
        self._woken.set()

    @property
    def settled(self) -> bool:
        """Whether the reader has looked since it was last asked to."""
        return self._ended or self._answered == self._asked

    def end(self) -> None:
        """Let `run` return."""
        self._ended = True
        self._woken.set()

    def run(self) -> None:
        """Look until `end`, in a thread of its own."""
        while True:
            self._woken.clear()
            if self._ended:
                return
            before, asked = time.monotonic(), self._asked
            snapshot = self.look()
            if snapshot != self.latest:
                self.latest = snapshot
                self._post(snapshot)
            self._answered = asked
            live = any(not s.ended for s in snapshot.summaries)
            rest = LIVE_SECONDS if live else IDLE_SECONDS
            self._woken.wait(max(rest, (time.monotonic() - before) / LARGEST_SHARE))

    def look(self) -> Snapshot:
        """What is true now. A store that cannot be read leaves the last rows and says why."""
        wanted = self._wanted
        try:
            summaries = self.lab.store.list()
            runs = self._runs(wanted, {s.id for s in summaries})
            strays = described(self.lab.store.strays())
        except RevconsoleError as error:
            return replace(self.latest, complete=True, problem=str(error))
        figures = {n: self._figure(n, p, runs) for n, p in wanted.pictures.items()}
        return Snapshot(
            complete=True,
            summaries=summaries,
            runs=runs,
            figures=figures,
            studies=self._board.entries(summaries) if wanted.studies else None,
            strays=strays,
            study=self._board.study(wanted.study, summaries) if wanted.study else None,
        )

    def _runs(self, wanted: WantedByScreen, existing: set[str]) -> Mapping[str, Run]:
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
                runs[run_id] = tail.run()
        for old in list(self._tails)[: -max(MOST_TAILS, len(ids))]:
            del self._tails[old]
        return runs

    def _figure(self, name: str, picture: WantedFigure, runs: Mapping[str, Run]) -> Figure:
        """The figure of a picture; the one drawn before if nothing changed since."""
        shown = tuple(runs[run_id] for run_id in picture.run_ids if run_id in runs)
        before = self._drawn.get(name)
        if before is not None and before[:2] == (picture, shown):
            return before[2]
        drawn = figure(
            picture.subject,
            shown,
            width=picture.width,
            horizontal=picture.horizontal,
            smoothing=picture.smoothing,
        )
        self._drawn[name] = (picture, shown, drawn)
        return drawn
