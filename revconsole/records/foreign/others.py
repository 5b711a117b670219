"""Others: the runs in folders that lie beside a store: those of other tools, and those of other stores. They are only read.

A folder is searched again from time to time, because runs begin while one looks.
"""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from revconsole.errors import OnlyRead
from revconsole.records.foreign.far.mirror import Mirror
from revconsole.records.foreign.foreign_tail import ForeignTail
from revconsole.records.foreign.found import FolderSearch, Found, search
from revconsole.records.logs.events import EpochFinished
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run, Summary
from revconsole.records.runs.run_reader import RunReader
from revconsole.records.runs.store import RunStore

SEARCH_SECONDS, SEARCH_SHARE = 5.0, 20.0
"""A folder is searched again after so many seconds, or after so many times what the search took, whichever is longer."""


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A folder with runs. text: as it was asked for. folder: where its files are on this machine. mirror: what copies them there."""

    text: str
    folder: Path
    mirror: Mirror | None = None


class Others:
    """The runs of some folders. Thread-safe. seconds: about how long one look reads of one run; the rest comes with the next."""

    def __init__(self, sources: Sequence[SourceFolder], *, seconds: float = math.inf) -> None:
        self._sources, self._seconds = tuple(sources), seconds
        self._searches: dict[SourceFolder, tuple[float, FolderSearch]] = {}
        self._tails: dict[str, ForeignTail] = {}
        self._stores: dict[Path, RunStore] = {}
        self._lock = threading.Lock()

    def rows(self) -> list[Summary]:
        """The rows of all runs, as they are now."""
        with self._lock:
            found = self._found()
            tails, self._tails = self._tails, {}
            rows = []
            for run_id, each in found.items():
                tail = self._tails[run_id] = tails.get(run_id) or ForeignTail(
                    each, seconds=self._seconds
                )
                rows.append(tail.summary())
            for root, store in self._stores.items():
                rows += [replace(row, beside=one_line(str(root))) for row in store.list()]
            return rows

    def follow(self, run_id: str, *, series: bool) -> RunReader | None:
        """A reader of one of the runs; None if it is none of them."""
        with self._lock:
            found = self._found().get(run_id)
            if found is not None:
                return ForeignTail(found, seconds=self._seconds)
            for root, store in self._stores.items():
                if run_id in store.ids():
                    return _OfOtherStore(store.follow(run_id, series=series), one_line(str(root)))
        return None

    def refuse(self, run_id: str) -> None:
        """Raise OnlyRead if the run is one of these: nothing changes them from here."""
        with self._lock:
            found = self._found().get(run_id)
            if found is not None:
                where = f"{found.tool} in {one_line(str(found.folder))}"
                raise OnlyRead(
                    f"run {run_id} ({found.title}) was recorded by {where}: it is only read from here"
                )
            for store in self._stores.values():
                if run_id in store.ids():
                    raise OnlyRead(
                        f"run {run_id} is in another store: change it there, with --store {one_line(str(store.root))}"
                    )

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on what could not be searched."""
        found = [problem for _, each in self._searches.values() for problem in each.problems]
        far = [
            source.mirror.problem
            for source in self._sources
            if source.mirror and source.mirror.problem
        ]
        return (*far, *found)

    def _found(self) -> dict[str, Found]:
        """The runs of other tools by id, newly searched where it is time."""
        for source in self._sources:
            if source.mirror is not None:
                source.mirror.ready()
                if not source.mirror.folder.is_dir():
                    continue
            due, _ = self._searches.get(source, (0.0, FolderSearch()))
            began = time.monotonic()
            if began >= due:
                new = search(source.folder, source.text)
                took = time.monotonic() - began
                self._searches[source] = began + max(SEARCH_SECONDS, SEARCH_SHARE * took), new
        searches = [each for _, each in self._searches.values()]
        roots = [root for each in searches for root in each.stores]
        self._stores = {
            root: self._stores.get(root) or RunStore(root, kept=False) for root in roots
        }
        return {found.id: found for each in searches for found in each.runs}


class _OfOtherStore:
    """A reader of a run of another store, whose rows say where it lies."""

    def __init__(self, reader: RunReader, beside: str) -> None:
        self._reader, self._beside = reader, beside

    def summary(self) -> Summary:
        """As `RunReader`."""
        return replace(self._reader.summary(), beside=self._beside)

    def run(self) -> Run:
        """As `RunReader`."""
        run = self._reader.run()
        return replace(run, summary=replace(run.summary, beside=self._beside))

    @property
    def epochs(self) -> tuple[EpochFinished, ...]:
        """As `RunReader`."""
        return self._reader.epochs
