"""FirstLook: the rows of the console's first frame, read by a thread before Textual is imported, or beside it if that takes long."""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revconsole.records.runs.glimpse import GlimpsedRow

STATES_SECONDS = 0.03
"""Seconds of processor time after which no more states are read: the first frame waits for them. A run of 20,000 steps takes 6 ms."""
ALONE_SECONDS = 0.1
"""Longest that Textual's imports wait for the rows: two threads that import at once take 22 ms longer than one after the other."""


class FirstLook:
    """Reads the newest runs of a store, as many as the terminal has lines. A store that does not answer keeps nobody waiting."""

    def __init__(self, store: Path) -> None:
        self._store, self._there = store, threading.Event()
        self._rows: Sequence[GlimpsedRow] = ()
        threading.Thread(target=self._read, name="first-look", daemon=True).start()

    def rows(self, patience: float = 0.0) -> Sequence["GlimpsedRow"] | None:
        """The rows; None if they are not there after `patience` seconds."""
        return self._rows if self._there.wait(patience) else None

    def _read(self) -> None:
        from revconsole.records.runs.glimpse import (
            glimpse,
        )  # not at once: its imports are half of the work

        try:
            self._rows = glimpse(self._store, shutil.get_terminal_size().lines, STATES_SECONDS)
        finally:
            self._there.set()
