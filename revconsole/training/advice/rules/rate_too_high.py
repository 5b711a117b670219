"""Rate too high: the loss had fallen and has risen again, at the full rate.

Speaks when two stretches of 20 steps in a row lie above the lowest one by 15 % of the guessing loss and by 30 % of
themselves or more, 40 steps after it or later, while the rate is half its highest or more. `diverged` tells what is worse.
Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017 (the range in which the loss begins to rise).
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

ABOVE_GUESSING, ABOVE_LOWEST = 0.15, 0.3
"""By how much the loss must have risen, as fractions of the guessing loss and of its lowest value."""
SOME = 0.9
"""Fraction of the guessing loss below which something had been learnt."""
FULL = 0.5
"""Fraction of its highest value from which the rate is what is to blame."""
LATER = 40
"""Steps between the lowest stretch and the last."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a run that unlearns."""
    if run.guessing_loss is None or len(seen.trend) < 4 or seen.rate < FULL * seen.most_rate:
        return None
    step, lowest, _ = min(seen.trend, key=lambda point: point[1])
    rise = max(ABOVE_GUESSING * run.guessing_loss, ABOVE_LOWEST * lowest)
    last = seen.trend[-2:]
    if lowest > SOME * run.guessing_loss or any(point[1] < lowest + rise for point in last):
        return None
    if last[-1][0] - step < LATER:
        return None
    rate = seen.most_rate / 3
    return Finding(
        evidence=f"the learning rate is too high: the loss was {lowest:.3f} at step {step:.0f} and is {last[-1][1]:.3f} at step "
        f"{seen.step}, with a rate of {seen.rate:.2g}",
        action=f"try a third of it ({rate:.2g}), or {run.warm_up}",
        settings=with_rate(rate),
    )


def over(_run: WatchedRun, seen: WatchedSoFar) -> str | None:
    """Whether the loss is as low as ever again."""
    lowest = min((point[1] for point in seen.trend[:-1]), default=0.0)
    return "the loss is as low as ever" if seen.trend and seen.trend[-1][1] <= lowest else None


RULE = WatchRule(
    name="rate too high",
    level="warning",
    look=look,
    over=over,
    unless=chance.RULES | {"diverged", "over-fitting", "gradient explodes"},
)
