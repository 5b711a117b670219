"""Warm-up only: the run ends before the rate has reached its peak for any length of time.

Speaks after a quarter of the steps when the warm-up takes 97 % of the run or more (its length is known, so nothing is gained
by waiting), and at the end of a run that `train.patience` cut short within it. Source: Goyal et al., "Accurate, Large
Minibatch SGD", 2017, and Vaswani et al., 2017: a warm-up of some per cent of the run.
"""

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

ALL = 0.97
"""Share of the run from which a warm-up is all there is."""
QUARTER = 0.25
"""Share of the steps after which it is said."""
USUAL = 0.05
"""Share of the run that a warm-up usually takes."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a run that only warms up."""
    never = run.warmup >= ALL * run.steps and seen.step >= QUARTER * run.steps
    cut = bool(seen.ending) and seen.step < run.warmup
    if not (never or cut) or not seen.step:
        return None
    epochs = float(f"{USUAL * run.steps / run.steps_per_epoch:.2g}")
    ends = f"and the run ended at step {seen.step:,}" if cut else f"of {run.steps:,}"
    return Finding(
        evidence=f"the learning rate never leaves its warm-up, which takes {run.warmup:,} steps {ends}; it is {seen.rate:.2g} now",
        action=f"warm up for 5 % of the run ({epochs:g} epochs)",
        settings={"schedule.warmup_epochs": epochs},
    )


RULE = WatchRule(name="warm-up only", level="warning", look=look)
