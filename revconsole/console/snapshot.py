"""Snapshot: everything that a screen shows, as one immutable value, and what a screen asks the reader for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from revconsole.lab.board import AskedStudy, StudyEntry, View
from revconsole.lab.curves.figures import Figure, Frame
from revconsole.lab.queue import DeviceQueue
from revconsole.lab.system import System
from revconsole.records.runs.run import Run, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFigure:
    """A figure that a screen asks for: the name of its subject, its runs, and how it is looked at."""

    subject: str
    run_ids: tuple[str, ...]
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedByScreen:
    """What a screen needs beyond the rows: whole runs, figures by name, studies."""

    run_ids: tuple[str, ...] = ()
    pictures: Mapping[str, WantedFigure] = field(default_factory=dict)
    studies: bool = False
    """Whether the snapshot should contain every study."""
    study: AskedStudy | None = None
    system: bool = False
    """Whether the snapshot should contain the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the reader has read. `complete` is False before the first reading."""

    complete: bool = False
    summaries: tuple[Summary, ...] = ()
    runs: Mapping[str, Run] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    studies: tuple[StudyEntry, ...] | None = None
    study: View | None = None
    system: System | None = None
    queues: tuple[DeviceQueue, ...] = ()
    """What trains and what waits on each device."""
    strays: str = ""
    """A sentence on folders of the store that hold a run but have no run's name; empty if there are none."""
    problem: str = ""
    """Why the store cannot be read; empty if it can."""

    def summary(self, run_id: str) -> Summary | None:
        """The row of one run; None if the run does not exist any more."""
        return next((s for s in self.summaries if s.id == run_id), None)


@runtime_checkable
class Live(Protocol):
    """A screen that shows snapshots while it is in front."""

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the screen."""
