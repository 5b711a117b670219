"""Glimpse: the rows of a store's newest runs, read without their plans' settings, for the console's first frame.

States are those of `FollowedLogs`, as everywhere, and names and damage those of the plan's file and the notebook. What a glimpse cannot
see is whether this version knows every setting of an undamaged plan: such a run is called damaged only once the table is there.
"""

import heapq
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from revconsole.records.files.damage import UNREADABLE
from revconsole.records.printable import one_line
from revconsole.records.runs import identity, notebook
from revconsole.records.runs.followed import FollowedLogs
from revconsole.records.runs.new_folder import is_id
from revconsole.records.runs.plan_file import PlanFile, read_plan_file
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.running import LOSS, RunningSummary
from revconsole.records.runs.standing import ENDED, State, as_they_go

LONGEST_NAME = 120
CLOCK = 8.0
"""Seconds by the clock for each of processor time: the machine may be busy, or the files far away."""


class GlimpsedRow(NamedTuple):
    """A run in the first frame. state: None if there was no time to read it, and the rest with it."""

    id: str
    name: str
    created: float
    state: State | None = None
    alarm: str = ""
    place: float = 0.0
    """Place in the queue of a run that waits."""
    progress: float | None = None
    """Share of the steps that have been made; None if it is not known."""
    loss: float | None = None
    """Training loss of the last step; None before the first."""
    curve: tuple[float, ...] = ()
    """The training loss in a few points, as in a row of the table."""
    given: bool = False
    """Whether another program trains the run, see `GivenPlan`; what its loss is measured in is not known."""

    @property
    def ended(self) -> bool:
        """Whether the run can only go on by a resume; also as long as that is not known."""
        return self.state is None or self.state in ENDED


def glimpse(store: Path, most: int, seconds: float) -> list[GlimpsedRow]:
    """The rows of up to `most` runs whose folders changed last, in the order of the runs table. Never raises.

    seconds: of this thread's processor time, or CLOCK times as many by the clock, after which no more logs are read.
    """
    began, used = time.monotonic(), time.thread_time()

    def late() -> bool:
        late_by_clock = time.monotonic() - began > CLOCK * seconds
        return late_by_clock or time.thread_time() - used > seconds

    with suppress(OSError), identity.asked_once():
        changed = heapq.nlargest(most, _folders(store))
        rows = sorted(_named(path for _, path in changed), key=lambda row: (-row[1].created, row[1].id))  # fmt: skip
        return as_they_go([row if late() else _with_state(folder, row) for folder, row in rows])
    return []


def _folders(store: Path) -> Iterator[tuple[int, str]]:
    """When each run folder of the store changed last, and its path."""
    with os.scandir(store) as entries:
        for entry in entries:
            if is_id(entry.name):
                yield entry.stat(follow_symlinks=False).st_mtime_ns, entry.path


def _named(folders: Iterator[str]) -> Iterator[tuple[Path, GlimpsedRow]]:
    """The folder and the row, without its state, of each run that is not archived; a damaged one has the state already."""
    for folder in map(Path, folders):
        notes, file = notebook.read(folder), read_plan_file(folder)
        if not notes.archived:
            yield folder, _unread(folder.name, notes.name, file)


def _unread(run_id: str, noted: str, file: PlanFile) -> GlimpsedRow:
    known = file.settings.get("name", run_id)
    name = one_line(noted or str(known), LONGEST_NAME)
    return GlimpsedRow(
        id=run_id,
        name=name,
        created=file.created,
        state="damaged" if file.why else None,
        given="program" in file.settings,
    )


def _with_state(folder: Path, row: GlimpsedRow) -> GlimpsedRow:
    """The row with what its logs say."""
    if row.state is not None:
        return row
    try:
        return _read(folder, row)
    except UNREADABLE:
        return row._replace(state="damaged")


def _read(folder: Path, row: GlimpsedRow) -> GlimpsedRow:
    running = RunningSummary()
    logs = FollowedLogs(folder, running)
    logs.read()
    state = logs.verdict(running)[0]
    steps, queued = running.facts.get("steps"), None
    if state == "queued":
        queued = read_queued(folder / LAUNCH)
    return row._replace(
        state=state,
        alarm=running.alarm,
        place=queued.place if queued else 0.0,
        progress=running.step / steps if isinstance(steps, int) and steps else None,
        loss=running.latest.get(LOSS),
        curve=running.loss_curve.points(),
    )
