"""Foretelling: the first event of a run gets the time that is foreseen for it, the last one how good its ETA has been."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import (
    Answered,
    Event,
    Finished,
    LoggedEvent,
    Measured,
    Scalar,
    Started,
)
from revconsole.records.runs.pace import TimedDevice, foretold
from revconsole.records.runs.run import Summary
from revconsole.records.runs.running import RunningSummary
from revconsole.records.settings.plan import Plan

SHARES = (10, 25, 50)
"""Per cent of the steps after which the ETA is remembered."""
LATE = 10
"""Per cent of the steps by which a report may come later than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEta:
    """What a log told at a time: seconds since the attempt began, and seconds left."""

    at: float
    left: float


class Foretelling:
    """What was foreseen of one attempt. earlier: reads the runs of the store. clock: in seconds, monotonic."""

    def __init__(
        self,
        plan: Plan,
        earlier: Callable[[], Sequence[Summary]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._earlier, self._clock = plan, earlier, clock
        self._began, self._log = clock(), RunningSummary()
        self._told: dict[int, ToldEta] = {}
        self._steps = 0
        self._whole = True
        """Whether the run trains from its first step to its last without a pause."""

    def completed(self, event: Event) -> Event:
        """The event as it is to be written; call it with every event of the attempt, in order."""
        if isinstance(event, Started):
            event = event._replace(facts={**event.facts, **self._foreseen(event)})
            steps = event.facts.get("steps")
            self._steps = steps if isinstance(steps, int) else 0
            self._whole = not event.resumed_from
        elif isinstance(event, Answered):
            self._whole = self._whole and event.verb != "pause"
        elif isinstance(event, Finished):
            return event._replace(eta=self._ratios(event))
        if self._whole and self._steps:
            self._follow(event)
        return event

    def _foreseen(self, started: Started) -> dict[str, Scalar]:
        """The time foreseen at the start of the run; empty if nothing is known, or for an attempt that resumes."""
        device, name = started.facts.get("device"), started.facts.get("device_name")
        each = started.facts.get("multiply_adds_per_image")
        if started.resumed_from or not isinstance(device, str):
            return {}
        machine = TimedDevice(device=device, name=name if isinstance(name, str) else "")
        counted = each if isinstance(each, int) else None
        try:
            time = foretold(self._plan, self._earlier(), machine, counted)
        except (
            RevconsoleError,
            OSError,
        ):  # what an earlier run read is gone; this one trains all the same
            return {}
        if time is None:
            return {}
        return {
            "foreseen_epoch_seconds": round(time.epoch_seconds, 6),
            "foreseen_seconds": round(time.seconds, 6),
            "foreseen_time_from": time.source,
        }

    def _follow(self, event: Event) -> None:
        """Read the event as a reader of the log does, and remember what is told once a share of the steps is reached."""
        now = self._clock() - self._began
        self._log.add(LoggedEvent(seq=0, time=0.0, event=event, elapsed=now))
        if not isinstance(event, Measured) or "resident_bytes" not in event.values:
            return
        share = 100 * event.step / self._steps
        due = [s for s in SHARES if s <= share < s + LATE and s not in self._told]
        if due and (left := self._log.eta_seconds()):
            self._told[due[-1]] = ToldEta(at=now, left=left)

    def _ratios(self, finished: Finished) -> dict[str, float]:
        """Seconds that were left in truth, by what was told; empty for a run that did not go to its end at one go."""
        if not self._whole or finished.outcome != "completed" or finished.step != self._steps:
            return {}
        end = self._clock() - self._began
        return {
            str(share): round((end - told.at) / told.left, 6)
            for share, told in sorted(self._told.items())
        }
