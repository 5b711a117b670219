"""Timing: how long a run would take, and what that is known from.

In this order: an earlier run like it on this device; a few of its own steps with their data, measured in a process of its
own; the steps of earlier runs on this kind of device, by their multiply-adds (see `records.runs.pace`). Once three runs
have shown how good such predictions are here, their median corrects the next one, by a quarter at most.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import format as form
from revconsole.lab.calibration import time_correction
from revconsole.lab.listing.texts import NOW, age
from revconsole.lab.room import kind_of
from revconsole.lab.study import longest_place
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.logs.events import Scalar
from revconsole.records.printable import plural
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
    plan: Plan,
    runs: Sequence[Summary],
    measure: Callable[[Plan], KeptPace],
    multiply_adds: Scalar | None = None,
) -> Timing:
    """How long a run would take. runs: those of the store, newest first.

    measure: what a few of its steps told, or tell now. multiply_adds: of an image, forward, where they were counted.
    """
    machine = TimedDevice(device=kind_of(plan))
    if (earlier := like_earlier(plan, runs, machine)) is not None:
        words = f"as long as the run {earlier.of[0]} took here"
        return _corrected(_told(earlier, words), runs, machine)
    try:
        return _corrected(_measured(plan, measure(plan)), runs, machine)
    except RevconsoleError as error:
        each = multiply_adds if isinstance(multiply_adds, int) else None
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


def _measured(plan: Plan, pace: KeptPace) -> Timing:
    return Timing(
        known_from=", ".join(_how_measured(plan, pace)),
        epoch_seconds=pace.epoch_seconds,
        seconds=pace.seconds(plan.epochs),
        step_seconds=pace.step_seconds,
        source="steps",
    )


def _how_measured(plan: Plan, pace: KeptPace) -> Iterator[str]:
    """When it was measured, what was found, what the spread of the steps makes of the run, and what else the machine did."""
    ago = age(time.time() - pace.at)
    when = "just now" if ago == NOW else f"{ago} ago"
    if not pace.steps:
        yield f"a part of the fit timed here {when}"
    else:
        quick, usual, slow = pace.step_seconds
        yield f"{pace.steps} of its steps with their data timed here {when}: {_each(usual)}"
        yield f"quartiles {_each(quick)} to {_each(slow)}"
        steps, whole = plan.steps_per_epoch * plan.epochs, pace.seconds(plan.epochs)
        ends = [form.duration(whole + steps * (end - usual)) for end in (quick, slow)]
        yield f"so {' to '.join(dict.fromkeys(ends))} in all"
    if pace.load > pace.cores:
        yield f"while other programs ran (load {pace.load:.1f} on {plural(pace.cores, 'core')})"


def _each(seconds: float) -> str:
    """The time of a step with three digits."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:,.3g} s"


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
