"""Run table: the rows of all runs of a store; a run that ended long ago costs three `stat` calls and no reading."""

import time
from collections.abc import Iterable
from pathlib import Path

from revconsole.records.files import clock
from revconsole.records.runs import store_cache
from revconsole.records.runs.header import Header, read_header
from revconsole.records.runs.plan_file import stamp
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store_cache import CachedRow
from revconsole.records.runs.tail import Tail, damaged_row

SETTLED_SECONDS = 2.0
"""Age that a run's last change must have before its row is cached: the coarsest file-system timestamp."""
KEEPABLE = frozenset({"finished", "pruned", "stopped", "failed", "out of memory"})
"""States determined by the log alone; the others also depend on the present machine and time."""
UNSAVED_RUNS, UNSAVED_SECONDS = 32, 0.1
"""Numbers of new rows, and seconds of work on them, after which the store cache is rewritten."""


class RunTable:
    """The rows of one store. Not thread-safe. kept: whether rows are kept in the store's folder for the next process."""

    def __init__(self, root: Path, *, kept: bool = True) -> None:
        self._root, self._may_save = root, kept
        self._kept: dict[str, CachedRow] = {}
        self._loaded = False
        self._tails: dict[str, Tail] = {}
        self._unsaved, self._work = 0, 0.0

    def rows(self, ids: Iterable[str]) -> list[Summary]:
        """The rows of those of the given runs that exist."""
        if not self._loaded:
            self._loaded, self._kept = True, store_cache.read(self._root)
        before, self._kept = self._kept, {}
        tails, self._tails = self._tails, {}
        rows = []
        for run_id in ids:
            row = self._known(run_id, before) or self._read_safely(run_id, tails.get(run_id))
            if row is not None:
                rows.append(row)
        self._save()
        return rows

    def _known(self, run_id: str, before: dict[str, CachedRow]) -> Summary | None:
        """The cached row of a run that has not changed since; None otherwise."""
        entry = before.get(run_id)
        if entry is None:
            return None
        if entry.signature != store_cache.signature(f"{self._root}/{run_id}", entry.row.attempt):
            return None
        self._kept[run_id] = entry
        return entry.row

    def _read_safely(self, run_id: str, tail: Tail | None) -> Summary | None:
        """The row from `_read`; a row that says "damaged" if reading raises, so that one odd run hides no other."""
        try:
            return self._read(run_id, tail)
        except Exception as error:  # noqa: BLE001  the row names the exception
            why = f"it cannot be read: {type(error).__name__}"
            created = stamp(self._root / run_id)[0] / 1e9
            return damaged_row(Header(id=run_id, created=created, plan=None, why=why))

    def _read(self, run_id: str, tail: Tail | None) -> Summary | None:
        """The row of a run that is not cached; None if the run has been deleted."""
        folder, start = self._root / run_id, time.perf_counter()
        began = clock.now_at(self._root)
        tail = tail or Tail(read_header(folder), folder, series=False)
        row = tail.summary()
        if row.state == "damaged" and not folder.is_dir():
            return None
        if not self._keep(row, began):
            self._tails[run_id] = tail
        else:
            self._unsaved += 1
            self._work += time.perf_counter() - start
        return row

    def _keep(self, row: Summary, began: float) -> bool:
        """Cache the row if the run ended long enough ago and is not queued again; returns whether it did."""
        if row.state not in KEEPABLE or _asked_for(self._root / row.id, row.attempt):
            return False
        source = store_cache.signature(f"{self._root}/{row.id}", row.attempt)
        if source is None or not store_cache.settled(source, began - SETTLED_SECONDS):
            return False
        self._kept[row.id] = CachedRow(source, row)
        return True

    def _save(self) -> None:
        if self._may_save and (self._unsaved >= UNSAVED_RUNS or self._work >= UNSAVED_SECONDS):
            self._unsaved, self._work = 0, 0.0
            store_cache.write(self._root, self._kept)


def _asked_for(folder: Path, attempt: int) -> bool:
    """Whether a newer attempt of the run is queued; its state then depends on whether the launcher runs."""
    queued = read_queued(folder / "launch.json")
    return queued is not None and queued[1] > attempt
