"""Timing: how long a run would take, and what that is known from.

In this order: an earlier run like it on this device; a few of its own steps with their data, measured in a process of its
own; the steps of earlier runs on this kind of device, by their multiply-adds (see `records.runs.pace`). Once three runs
have shown how good such predictions are here, their median corrects the next one, by a quarter at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import format as form
from revconsole.lab.calibration import time_correction
from revconsole.lab.estimate import Estimate
from revconsole.lab.outlook import Outlook
from revconsole.lab.room import kind_of
from revconsole.lab.study import longest_place
from revconsole.records.runs.pace import (
    FARTHEST,
    ForetoldTime,
    TimedDevice,
    TimeSource,
    by_multiply_adds,
    like_earlier,
    too_far,
)
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of an epoch and of the whole run; None is unknown.

    step_seconds: of a training step, quartile, median, quartile; only if it was measured. known_from: in words, or why it
    is unknown. source: in a word; empty if it is unknown. corrected_by: the factor from earlier predictions, which the
    seconds contain.
    """

    known_from: str
    epoch_seconds: float | None = None
    seconds: float | None = None
    step_seconds: tuple[float, float, float] | None = None
    source: TimeSource | str = ""
    corrected_by: float = 1.0

    @property
    def sentence(self) -> str:
        """The time in words."""
        if self.seconds is None or self.epoch_seconds is None:
            return f"the time is unknown: {self.known_from}"
        epoch, total = form.duration(self.epoch_seconds), form.duration(self.seconds)
        return f"about {epoch} an epoch, {total} in all, {self.known_from}"

    def entry(self) -> dict[str, Any]:
        """The time as `plan --json` prints it."""
        return asdict(self)


def timing(
    outlook: Outlook, runs: Sequence[Summary], measure: Callable[[Plan], Estimate]
) -> Timing:
    """How long a run would take. runs: those of the store, newest first. measure: trains a few of its steps."""
    plan, machine = outlook.plan, TimedDevice(device=kind_of(outlook.plan))
    if (earlier := like_earlier(plan, runs, machine)) is not None:
        words = f"as long as the run {earlier.of[0]} took here"
        return _corrected(_told(earlier, words), runs, machine)
    try:
        return _corrected(_measured(measure(plan)), runs, machine)
    except RevconsoleError as error:
        counted = outlook.counts.get("multiply_adds_per_image")
        each = counted if isinstance(counted, int) else None
        rough = by_multiply_adds(plan, runs, machine, each)
        if rough is None:
            factor = too_far(plan, runs, machine, each)
            return Timing(known_from=str(error) if factor is None else _beyond(factor))
        many = "run" if len(rough.of) == 1 else "runs"
        words = f"from the multiply-adds of a step and {len(rough.of)} earlier {many} here: half to twice as long"
        return _corrected(_told(rough, words), runs, machine)


def _beyond(factor: float) -> str:
    """Why no run tells the time. factor: between the multiply-adds of its steps and those of the nearest run."""
    return (
        f"the multiply-adds of a step differ by {factor:,.0f} times from those of the nearest run here; "
        f"beyond {FARTHEST:.0f} times no time is estimated"
    )


def _told(found: ForetoldTime, words: str) -> Timing:
    return Timing(
        known_from=words,
        epoch_seconds=found.epoch_seconds,
        seconds=found.seconds,
        source=found.source,
    )


def _measured(estimate: Estimate) -> Timing:
    quick, usual, slow = (1000 * each for each in estimate.step_seconds)
    return Timing(
        known_from=f"from a few real steps with their data: {usual:,.3g} ms, quartiles {quick:,.3g} to {slow:,.3g} ms",
        epoch_seconds=estimate.epoch_seconds,
        seconds=estimate.seconds,
        step_seconds=estimate.step_seconds,
        source="steps",
    )


def _corrected(known: Timing, runs: Sequence[Summary], machine: TimedDevice) -> Timing:
    """The time, corrected by how good times known from the same source have been on this device; says so."""
    factor, many = time_correction(runs, machine, known.source)
    if factor == 1.0 or known.epoch_seconds is None or known.seconds is None:
        return known
    return replace(
        known,
        known_from=f"{known.known_from}; corrected by {form.ratio(factor)}, the median of {many} runs foreseen so",
        epoch_seconds=known.epoch_seconds * factor,
        seconds=known.seconds * factor,
        corrected_by=factor,
    )


def on_devices(times: Sequence[Timing], devices: int) -> str:
    """How long runs take on several devices at once, as a sentence."""
    seconds = [each.seconds for each in times if each.seconds is not None]
    rest = f" without {len(times) - len(seconds)} of them" if len(seconds) < len(times) else ""
    took = form.duration(longest_place(seconds, devices)) if seconds else "an unknown time"
    return f"on {devices} devices at once: about {took}{rest}, if each is as fast as this one"
