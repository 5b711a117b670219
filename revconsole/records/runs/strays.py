"""Strays: folders of a store that hold a run but are not named by its id, because they were renamed or copied by hand."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.plan_file import FILE

MOST_LISTED = 5
"""Number of folders listed in the sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A run folder whose name is not its run's id. name: of the folder. run_id: id in its plan. copy: whether the run
    of that id exists as well.
    """

    name: str
    run_id: str
    copy: bool

    @property
    def sentence(self) -> str:
        """The folder's name with an explanation and the remedy."""
        if self.copy:
            return f"{self.name} (a copy of {self.run_id})"
        return f"{self.name} (its plan says {self.run_id}; give it that name to have it listed)"


def strays(root: Path, ids: set[str]) -> tuple[Stray, ...]:
    """Folders of a store that hold a run under another name. ids: valid run names, which are skipped."""
    try:
        names = sorted(name for name in bounded.folders(root) if name not in ids)
    except OSError:
        return ()
    folders = []
    for name in names:
        run_id = "" if name.startswith(".") else _run_of(root / name)
        if run_id:
            exists = run_id in ids and os.path.lexists(root / run_id)
            folders.append(Stray(name=name, run_id=run_id, copy=exists))
    return tuple(folders)


def described(folders: Sequence[Stray]) -> str:
    """A sentence with the number of folders and the first few of them; empty if there are none."""
    if not folders:
        return ""
    subject = "1 folder is" if len(folders) == 1 else f"{len(folders)} folders are"
    listed = ", ".join(stray.sentence for stray in folders[:MOST_LISTED])
    more = ", …" if len(folders) > MOST_LISTED else ""
    return f"{subject} not named as a run: {listed}{more}"


def _run_of(folder: Path) -> str:
    """The id in the plan of a folder; empty if the folder holds no run."""
    try:
        return str(json.loads(bounded.read(folder / FILE, RECORD_BYTES))["id"])
    except UNREADABLE:
        return ""
