"""Diverged: the loss is far above guessing and above where it began.

Speaks when the median loss of the last 20 steps is over twice the guessing loss and over 1.5 times the first loss (three
times the first, without labels). A single spike does not move the median. Over once the median is below guessing.
Source: the loss of a network that answers at random is ln C (Karpathy, "A Recipe for Training Neural Networks", 2019).
"""

from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

ABOVE_GUESSING, ABOVE_FIRST, ABOVE_FIRST_UNLABELLED = 2.0, 1.5, 3.0
"""Multiples of the guessing loss and of the first loss above which a loss has diverged."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The alarm about a diverged run."""
    recent = seen.recent(run)
    if seen.first is None or recent is None or recent <= _limit(run, seen.first):
        return None
    loss = run.guessing_loss
    guessing = "" if loss is None else f", where guessing would have {loss:.3g}"
    rate = seen.most_rate / 10
    others = run.warm_up if run.clipped else f"{run.warm_up}, or train.clip=1"
    return Finding(
        evidence=f"the run has diverged: the loss began at {seen.first:.3g} and is {recent:.3g} at step "
        f"{seen.step}{guessing}; its weights are of no use",
        action=f"stop it and try a tenth of the learning rate ({rate:.2g}), {'or ' * run.clipped}{others}",
        settings=with_rate(rate),
    )


def over(run: WatchedRun, seen: WatchedSoFar) -> str | None:
    """Whether the loss is below guessing again, well below the limit for divergence."""
    recent = seen.recent(run)
    limit = run.guessing_loss if run.guessing_loss is not None else seen.first
    below = recent is not None and limit is not None and recent < limit
    return f"the loss is {recent:.3g} again" if below else None


def _limit(run: WatchedRun, first: float) -> float:
    if run.guessing_loss is None:
        return ABOVE_FIRST_UNLABELLED * abs(first)
    return max(ABOVE_GUESSING * run.guessing_loss, ABOVE_FIRST * first)


RULE = WatchRule(name="diverged", level="alarm", look=look, over=over)
