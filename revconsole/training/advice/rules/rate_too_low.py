"""Rate too low: the loss falls, so slowly that the run ends before anything is learnt.

Speaks after half of the run, at a rate far below what the optimiser is used with (1e-4 for Adam and its kin, 0.1 for SGD
without momentum), when the loss is below guessing (`at_chance` has the rest), still above 90 % of it, and a straight line through what it has done since the
warm-up ends above 80 %. Source: the default rates of torch.optim and timm (1e-3 for Adam, 0.1 and above for SGD).
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

HALF = 0.5
"""Share of the run after which it is judged."""
NOW, AT_END = 0.9, 0.8
"""Fractions of the guessing loss: of the loss now, and where a straight line takes it."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a run that will have learnt next to nothing."""
    if run.guessing_loss is None or not chance.slow(run, seen):
        return None
    if seen.step < max(run.fair, HALF * run.steps) or len(seen.trend) < 4:
        return None
    since = [point for point in seen.trend if point[0] > run.warmup]
    if len(since) < 4:
        return None
    (began, first, _), (step, now, _) = since[0], since[-1]
    at_end = now + (now - first) / (step - began) * max(0.0, run.steps - step)
    if not NOW <= now / run.guessing_loss < chance.NOTHING_LEARNT:
        return None
    if at_end < AT_END * run.guessing_loss:
        return None
    rate = 10 * seen.most_rate
    return Finding(
        evidence=f"the learning rate ({seen.most_rate:.2g}) is too low: the loss was {first:.3f} at step {began:.0f} and is "
        f"{now:.3f} at step {step:.0f}, where guessing has {run.guessing_loss:.3f}; at this pace the run ends at {max(0.0, at_end):.2f}",
        action=f"try ten times the rate ({rate:.2g})",
        settings=with_rate(rate),
    )


RULE = WatchRule(
    name="rate too low",
    level="warning",
    look=look,
    unless=chance.RULES | {"diverged", "rate decayed"},
)
