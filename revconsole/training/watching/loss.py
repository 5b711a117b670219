"""Loss: divergence and over-fitting."""

import math
from collections.abc import Mapping

from revconsole.training.watching.seen import Lowest, WatchedRun, WatchedSoFar

DIVERGED = "diverged"
OVERFITTED = "over-fitting"
WORSE_EPOCHS = 5
"""Epochs in a row without a lower validation loss that are not accidental."""
APART_EPOCHS = 3
"""Epochs in a row with a clearly higher validation loss; a single one is a spike."""
NOISE = 0.02
"""Fraction of the guessing loss by which losses fluctuate."""
COST = 2.0
"""Typical loss in nats of a wrong prediction of a trained network."""
ABOVE_GUESSING, ABOVE_FIRST, ABOVE_FIRST_UNLABELLED = 2.0, 1.5, 3.0
"""Multiples of the guessing loss and of the first loss above which a loss has diverged."""


def diverged(subject: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the median of the last losses is far above guessing and above the first loss."""
    recent = seen.recent(subject)
    if seen.first is None or recent is None:
        return False
    if subject.guessing_loss is None:
        return recent > ABOVE_FIRST_UNLABELLED * abs(seen.first)
    return recent > max(ABOVE_GUESSING * subject.guessing_loss, ABOVE_FIRST * seen.first)


def divergence(subject: WatchedRun, seen: WatchedSoFar) -> str:
    """The alarm about a diverged run, with a remedy."""
    guessing = (
        ""
        if subject.guessing_loss is None
        else f", where guessing would have {subject.guessing_loss:.3g}"
    )
    return (
        f"the run has diverged: the loss began at {seen.first:.3g} and is {seen.recent(subject):.3g} at step {seen.step}"
        f"{guessing}; its weights are of no use. Stop it and try a tenth of the learning rate ({seen.most_rate / 10:.2g}), "
        f"{'or ' * subject.clipped}{subject.warm_up}{'' if subject.clipped else ', or train.clip=1'}"
    )


def over_fitting(
    subject: WatchedRun, seen: WatchedSoFar, epoch: int, values: Mapping[str, float]
) -> str | None:
    """A warning if the validation loss has been rising for long while the training loss falls; else None.

    The rise must exceed the sampling noise: with mean loss l from few wrong predictions that cost c each, the
    variance is about l·c per judged image.
    """
    train, validation = values.get("train_loss"), values.get("validation_loss")
    if train is None or validation is None:
        return None
    lowest = seen.lowest
    if lowest is None or validation < lowest.loss:
        seen.lowest, seen.apart = Lowest(epoch=epoch, loss=validation, train_loss=train), 0
        return None
    noise = NOISE * (subject.guessing_loss or 0.0)
    chance = math.sqrt(COST * lowest.loss / max(1, subject.images))
    apart = train < lowest.train_loss - noise and validation > lowest.loss + noise + chance
    seen.apart = seen.apart + 1 if apart else 0
    if epoch - lowest.epoch < WORSE_EPOCHS or seen.apart < APART_EPOCHS:
        return None
    return (
        f"over-fitting: since epoch {lowest.epoch} the training loss fell from {lowest.train_loss:.3f} to "
        f"{train:.3f} and the validation loss rose from {lowest.loss:.3f} to {validation:.3f}; augment, regularise, or end "
        "earlier with train.patience"
    )
