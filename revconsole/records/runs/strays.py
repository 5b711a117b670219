"""Strays: folders of a store that hold a run and are not named as one, for they were renamed or copied by hand."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.header import FILE

MOST_TOLD = 5
"""Folders that are named in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A folder by its name, the run that its plan says it is, and whether that run is there as well."""

    name: str
    run_id: str
    copy: bool

    @property
    def sentence(self) -> str:
        """What it is, and what to do."""
        if self.copy:
            return f"{self.name} (a copy of {self.run_id})"
        return f"{self.name} (its plan says {self.run_id}; give it that name to have it listed)"


def strays(root: Path, ids: set[str]) -> tuple[Stray, ...]:
    """Folders of a store that hold a run, by name. ids: what runs may be called and are, which are passed over."""
    try:
        names = sorted(name for name in bounded.folders(root) if name not in ids)
    except OSError:
        return ()
    found = []
    for name in names:
        run_id = "" if name.startswith(".") else _run_of(root / name)
        if run_id:
            there = run_id in ids and os.path.lexists(root / run_id)
            found.append(Stray(name=name, run_id=run_id, copy=there))
    return tuple(found)


def told(found: Sequence[Stray]) -> str:
    """How many there are, and the first of them in words; empty of none."""
    if not found:
        return ""
    folders = "1 folder is" if len(found) == 1 else f"{len(found)} folders are"
    some = ", ".join(stray.sentence for stray in found[:MOST_TOLD])
    more = ", …" if len(found) > MOST_TOLD else ""
    return f"{folders} not named as a run: {some}{more}"


def _run_of(folder: Path) -> str:
    """The id in the plan of a folder; empty if it holds no run."""
    try:
        return str(json.loads(bounded.read(folder / FILE, RECORD_BYTES))["id"])
    except UNREADABLE:
        return ""
