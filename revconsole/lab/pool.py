"""Pool: the runs of a study that one background process trains, several at once, for a command that waits for them."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from revconsole.errors import RevconsoleError
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.run import Summary

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab

LOOK_SECONDS = 0.25


class Pool:
    """The runs that one background process trains, by id. They go on if this process ends."""

    def __init__(self, lab: "Lab", ids: Sequence[str], process: Identity | None = None) -> None:
        """process: the one that trains them; by default the one that has the first of them."""
        self._lab, self._ids, self._process, self._left = lab, tuple(ids), process, False
        queued = read_queued(lab.store.root / ids[0] / FILE) if ids and not process else None
        if queued is not None:
            self._process = queued.holder

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the runs; empty once they were left to the background process."""
        return () if self._left else self._ids

    def rows(self) -> dict[str, Summary]:
        """The rows of those runs that have not been deleted, in their order."""
        rows = {run.id: run for run in self._lab.store.list()}
        return {run_id: rows[run_id] for run_id in self.ids if run_id in rows}

    def over(self, rows: dict[str, Summary]) -> bool:
        """Whether no run trains and none will: as long as the process lives, it resumes a run that was lost."""
        if self._process is not None and self._process.alive():
            return False
        return all(run.ended or run.state == "queued" for run in rows.values())

    def summary(self, run_id: str) -> Summary:
        """The summary of one run. Raises NoSuchRun."""
        return self._lab.summary(run_id)

    def busy(self) -> tuple[str, ...]:
        """The runs that train or wait."""
        return tuple(run_id for run_id, run in self.rows().items() if not run.ended)

    def wait(self) -> None:
        """Wait until none trains or waits any more."""
        while not self.over(self.rows()):
            time.sleep(LOOK_SECONDS)

    def stop_all(self, why: str = "") -> None:
        """Take those that wait out of the queue, and stop the others after their step."""
        self._lab.stop_runs(self.busy(), why)

    def end_all_now(self, why: str = "") -> None:
        """Kill what still trains, and record it as stopped."""
        del why
        for run_id in self.busy():
            with suppress(RevconsoleError):
                self._lab.stop_now(run_id)

    def hand_all_over(self, why: str = "") -> None:
        """Leave them where they are: in the background."""
        del why
        self._left, self._process = True, None
