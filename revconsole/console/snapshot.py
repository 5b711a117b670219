"""Snapshot: all that is on screen, as one immutable value; and what a screen wants to be in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from revconsole.lab.board import AskedStudy, StudyEntry, View
from revconsole.lab.curves.figures import Figure, FigureSubject, Horizontal
from revconsole.records.runs.run import Run, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFigure:
    """A figure a screen wants: of what, of which runs, for how many columns."""

    subject: FigureSubject
    run_ids: tuple[str, ...]
    width: int
    horizontal: Horizontal = "step"
    smoothing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedByScreen:
    """What a screen shows beside the rows: whole runs, figures by a name of its own, studies."""

    run_ids: tuple[str, ...] = ()
    pictures: Mapping[str, WantedFigure] = field(default_factory=dict)
    studies: bool = False
    """Whether every study that can be named is to be in it."""
    study: AskedStudy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the reader saw. `complete` is False until it has looked once."""

    complete: bool = False
    summaries: tuple[Summary, ...] = ()
    runs: Mapping[str, Run] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    studies: tuple[StudyEntry, ...] | None = None
    study: View | None = None
    strays: str = ""
    """Which folders of the store hold a run and are not named as one; empty if none."""
    problem: str = ""
    """Why the store cannot be read; empty if it can."""

    def summary(self, run_id: str) -> Summary | None:
        """The row of one run; None if it is gone."""
        return next((s for s in self.summaries if s.id == run_id), None)


@runtime_checkable
class Live(Protocol):
    """A screen that shows snapshots while it is in front."""

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Bring the screen up to date."""
