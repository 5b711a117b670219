"""Rate decayed: the learning rate is nothing although much of the run remains.

Speaks when the rate is below a thousandth of its highest value with a fifth of the steps or more to go; near its end
every schedule may reach nothing.
"""

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

NOTHING = 1e-3
"""Fraction of its highest value below which a rate counts as nothing."""
LEFT = 0.2
"""Fraction of all steps that must remain."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a rate that is nothing too early."""
    remaining = run.steps - seen.step
    if seen.rate >= NOTHING * seen.most_rate or remaining < LEFT * run.steps:
        return None
    if seen.step <= run.warmup:
        return None
    return Finding(
        evidence=f"the learning rate has decayed to {seen.rate:.2g}, less than a thousandth of its highest value "
        f"({seen.most_rate:.2g}), with {remaining:,} of {run.steps:,} steps left in which hardly anything will be learnt",
        action="let it fall over the whole run",
        settings={"schedule.name": "cosine"},
    )


RULE = WatchRule(name="rate decayed", level="warning", look=look)
