"""Glimpse: the names of a store's newest runs, read without the records, for the console's first frame.

It checks nothing and knows no states: what it finds stands on the screen only until the runs themselves are read.
"""

import heapq
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES, RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.printable import one_line

LONGEST_NAME = 120


def glimpse(store: Path, most: int) -> list[str]:
    """The names of up to `most` runs whose folders changed last, newest first by creation. Never raises."""
    with suppress(OSError):
        changed = heapq.nlargest(most, _folders(store))
        return [name for _, name in sorted(_named(path for _, path in changed), reverse=True)]
    return []


def _folders(store: Path) -> Iterator[tuple[int, str]]:
    """When each folder of the store changed last, and its path."""
    with os.scandir(store) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_mtime_ns, entry.path


def _named(folders: Iterator[str]) -> Iterator[tuple[float, str]]:
    """When each run was created, and its name; without the runs that are archived or cannot be read."""
    for folder in map(Path, folders):
        with suppress(*UNREADABLE):
            plan = json.loads(bounded.read(folder / "plan.json", RECORD_BYTES))
            notes = _notes(folder)
            name = str(notes.get("name") or plan["plan"]["name"])
            if not notes.get("archived"):
                yield float(plan["created"]), one_line(name, LONGEST_NAME)


def _notes(folder: Path) -> dict[str, Any]:
    """What a user added to the run; see `notebook`. Nothing if that cannot be read."""
    with suppress(*UNREADABLE):
        return dict(json.loads(bounded.read(folder / "notebook.json", NOTE_BYTES)))
    return {}
