"""Plateau: the loss has stopped falling although the rate is still high and much is left to learn.

Speaks when the training loss of the last stretch (200 steps, or 15 % of the run, whichever is longer) is within 1 % of, and
no further than its own noise from, that of the stretch before, the validation loss has no new minimum in it, the rate is
30 % of its highest or more, and a tenth of the training images or more are still wrong. Source: torch's
ReduceLROnPlateau, whose default patience and threshold are of this size.
"""

import math
import statistics
from collections.abc import Sequence

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

STRETCH_STEPS, STRETCH_SHARE = 200, 0.15
"""Length of a stretch in steps, and as a share of the run."""
FALL = 0.01
"""Fraction of the loss by which it must fall from one stretch to the next."""
HIGH = 0.3
"""Fraction of its highest value from which a rate is high."""
FITTED = 0.9
"""Training accuracy above which hardly anything is left to learn."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a run that stands still."""
    length = max(STRETCH_STEPS, STRETCH_SHARE * run.steps)
    if run.guessing_loss is None or seen.step < run.fair + 2 * length:
        return None
    if seen.rate < HIGH * seen.most_rate or seen.epoch().get("train_accuracy", 1.0) > FITTED:
        return None
    last = seen.over(seen.step - length, seen.step)
    before = seen.over(seen.step - 2 * length, seen.step - length)
    if len(last) < 5 or len(before) < 5 or not _level(before, last):
        return None
    now, lowest = statistics.fmean(last), seen.lowest
    if now > chance.LEARNT * run.guessing_loss or lowest is None or _falls(seen, length):
        return None
    rate = seen.rate / 3
    return Finding(
        evidence=f"plateau: the training loss has been {now:.3f} over the last {length:,.0f} steps and {statistics.fmean(before):.3f} "
        f"over those before, the lowest validation loss ({lowest.loss:.3f}) is of epoch {lowest.epoch}, and the learning rate "
        f"is still {seen.rate:.2g}",
        action=f"let the rate fall, or begin with a third of it ({rate:.2g})",
        settings={"schedule.name": "cosine"} if run.schedule == "constant" else with_rate(rate),
    )


def _level(before: Sequence[float], last: Sequence[float]) -> bool:
    """Whether the loss fell by less than FALL and less than its own noise."""
    fall = statistics.fmean(before) - statistics.fmean(last)
    noise = math.hypot(
        statistics.stdev(before) / math.sqrt(len(before)),
        statistics.stdev(last) / math.sqrt(len(last)),
    )
    return -2 * noise <= fall < min(FALL * statistics.fmean(before), 2 * noise)


def _falls(seen: WatchedSoFar, length: float) -> bool:
    """Whether the validation loss had its minimum in the last stretch."""
    steps = [e["step"] for e in seen.epochs if seen.lowest and e["epoch"] == seen.lowest.epoch]
    return bool(steps) and steps[0] > seen.step - length


RULE = WatchRule(
    name="plateau",
    level="warning",
    look=look,
    unless=chance.RULES | {"diverged", "over-fitting", "noisy labels", "rate too high"},
)
