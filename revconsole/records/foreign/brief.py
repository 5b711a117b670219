"""Brief: what a row of a table shows of a run of another tool, and its state."""

import math
from dataclasses import dataclass, field
from typing import cast

from revconsole.records.foreign.formats import OF_TOOL
from revconsole.records.foreign.gathered import Ending, Gathered
from revconsole.records.foreign.naming import LOSS, our_names
from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import Scalar
from revconsole.records.runs.sketch import Sketch
from revconsole.records.runs.standing import State

SILENCE_SECONDS = 600.0
"""Seconds without anything new after which a run of another tool counts as ended."""
ACCURACY, VALIDATION_LOSS = "validation_accuracy", "validation_loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The latest and best values of a run, and what its files say of it; all of it values of JSON.

    metrics: newest value of each metric, under our names. best: step of the best validation, and the values there.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False
    settings: dict[str, Scalar] = field(default_factory=dict)
    ending: Ending = ""
    reason: str = ""
    steps: int | None = None
    step: int = 0
    epoch: int = 0
    points: int = 0
    began: float | None = None
    last: float | None = None
    damaged: int = 0
    faults: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    loss_curve: tuple[float, ...] = ()


def brief_of(gathered: Gathered, faults: tuple[str, ...]) -> Brief:
    """The brief of what has been read. faults: what is wrong beside what it says itself."""
    names = our_names(gathered.columns)
    columns = {ours: gathered.columns[theirs] for theirs, ours in names.items()}
    curve = Sketch()
    if LOSS in columns:
        curve.extend(columns[LOSS].steps, columns[LOSS].values)
    return Brief(
        name=gathered.name,
        tags=gathered.tags,
        note=gathered.note,
        archived=gathered.archived,
        settings=dict(gathered.settings),
        ending=gathered.ending,
        reason=gathered.reason,
        steps=gathered.steps,
        step=gathered.step,
        epoch=gathered.epoch,
        points=gathered.points,
        began=gathered.began,
        last=gathered.last,
        damaged=gathered.damaged,
        faults=(*gathered.faults, *faults),
        metrics={name: column.values[-1] for name, column in columns.items() if column.values},
        best=_best(columns),
        loss_curve=curve.points(),
    )


def state_of(brief: Brief, tool: str, silence: float) -> tuple[State, str]:
    """The state of a run, with a reason where it is not plain. silence: seconds since its files were last written."""
    if brief.ending:
        return cast("State", brief.ending), brief.reason
    if brief.faults and not brief.points:
        return "damaged", brief.faults[0]
    if silence < SILENCE_SECONDS:
        return "running", ""
    quiet = f"nothing new for {_spoken(silence)}"
    if OF_TOOL[tool].RECORDS_ENDS:
        return "lost", f"{quiet}, and {tool} has recorded no end"
    return "finished", f"{quiet}; {tool} does not record how a run ends"


def _best(columns: dict[str, MetricColumn]) -> dict[str, float]:
    """The step of the best validation accuracy, or else of the lowest validation loss, and both there."""
    for name, sign in ((ACCURACY, 1.0), (VALIDATION_LOSS, -1.0)):
        column = columns.get(name)
        finite = (
            [at for at, value in enumerate(column.values) if math.isfinite(value)] if column else []
        )
        if column and finite:
            at = max(finite, key=lambda at: sign * column.values[at])
            found = {"step": float(column.steps[at]), name: column.values[at]}
            other = columns.get(VALIDATION_LOSS)
            if name == ACCURACY and other and column.steps[at] in other.steps:
                found[VALIDATION_LOSS] = other.values[other.steps.index(column.steps[at])]
            return found
    return {}


def _spoken(seconds: float) -> str:
    for unit, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:,.0f} {word}"
    return f"{seconds:.0f} seconds"
