"""Tracker: what every tool is given, and how it is opened by its name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from revconsole.errors import NotLoaded, RevconsoleError, UnknownName
from revconsole.lab.format import fact
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run
from revconsole.records.settings.typing_again import flat_settings
from revconsole.records.tracker_names import TRACKERS

LONGEST = 500
"""Letters of a setting, which MLflow limits."""


class TrackerFailed(RevconsoleError):  # noqa: N818  the name says what happened
    """A tracker did not take what it was given."""

    exit_code = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPoint:
    """A value of a metric. value: in the metric's unit, perhaps not finite. wall: seconds since 1970."""

    metric: str
    step: int
    value: float
    wall: float


class Tracker(Protocol):
    """One run as a tool keeps it."""

    @property
    def where(self) -> str:
        """Where the tool keeps it, in words."""

    def send(self, points: Sequence[SentPoint]) -> None:
        """Give it values, ascending by step. Raises anything that the tool raises."""

    def close(self, run: Run) -> None:
        """Say how the run stands, and let go of it."""


def refuse_unknown(names: Sequence[str]) -> None:
    """Raise UnknownName for a tracker that does not exist, and NotLoaded for one that is not installed."""
    for name in names:
        if name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS)
        if find_spec(name) is None:
            raise NotLoaded(f"{name} is not installed; `pip install 'revconsole[{name}]'`")


def opened(name: str, run: Run, place: str) -> Tracker:
    """The run as a tracker keeps it; begins it there if it is new. place: folder, project or address; empty for the tool's own.

    Raises UnknownName, NotLoaded and TrackerFailed.
    """
    refuse_unknown([name])
    try:
        module: Any = import_module(f"revconsole.lab.trackers.to_{name}")
        tracker: Tracker = module.begin(run, place)
    except Exception as error:  # noqa: BLE001  a tool may raise anything
        raise failed(name, error) from None
    return tracker


def failed(name: str, error: Exception) -> TrackerFailed:
    """One sentence on what a tool raised."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        place = one_line(os.fsdecode(error.filename), 200)
        return TrackerFailed(f"{name}: cannot write {place}: {error.strerror}")
    return TrackerFailed(f"{name}: {type(error).__name__}: {one_line(str(error), 300)}")


def settings(run: Run) -> dict[str, str]:
    """The settings of a run as words by dotted key, with what identifies its data."""
    summary = run.summary
    values = flat_settings(summary.plan) if summary.plan_known else dict(summary.given)
    known = {key: fact(value)[:LONGEST] for key, value in values.items() if value is not None}
    more = {"seed": str(summary.plan.seed), "data_fingerprint": summary.fingerprint or ""}
    return known | {key: value for key, value in more.items() if value}
