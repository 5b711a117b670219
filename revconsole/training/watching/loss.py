"""Losses that go the wrong way."""

import math
from collections.abc import Mapping

from revconsole.training.watching.seen import Lowest, WatchedRun, WatchedSoFar

DIVERGED = "diverged"
OVERFITTED = "over-fitting"
WORSE_EPOCHS = 5
"""So many in a row without a lower validation loss are no accident."""
APART_EPOCHS = 3
"""So many in a row with a validation loss that is clearly higher; one such epoch is a spike."""
NOISE = 0.02
"""Share of the loss of guessing by which losses go up and down for no reason."""
COST = 2.0
"""Nats that a wrong answer of a network that learns costs, about."""
ABOVE_GUESSING, ABOVE_FIRST, ABOVE_FIRST_UNLABELLED = 2.0, 1.5, 3.0
"""How far a loss that diverged lies above that of guessing, and above the first."""


def diverged(subject: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the loss of most of the last steps is far above guessing, and above where it began."""
    recent = seen.recent(subject)
    if seen.first is None or recent is None:
        return False
    if subject.guessing_loss is None:
        return recent > ABOVE_FIRST_UNLABELLED * abs(seen.first)
    return recent > max(ABOVE_GUESSING * subject.guessing_loss, ABOVE_FIRST * seen.first)


def divergence(subject: WatchedRun, seen: WatchedSoFar) -> str:
    """What to say of it."""
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
    """A validation loss that has long been lower while the training loss still falls.

    It has risen by more than which images are judged explains: of a mean loss l, of few answers that are wrong and
    cost c each, the variance is about l·c a judged image.
    """
    train, now = values.get("train_loss"), values.get("validation_loss")
    if train is None or now is None:
        return None
    lowest = seen.lowest
    if lowest is None or now < lowest.loss:
        seen.lowest, seen.apart = Lowest(epoch=epoch, loss=now, train_loss=train), 0
        return None
    noise = NOISE * (subject.guessing_loss or 0.0)
    chance = math.sqrt(COST * lowest.loss / max(1, subject.images))
    apart = train < lowest.train_loss - noise and now > lowest.loss + noise + chance
    seen.apart = seen.apart + 1 if apart else 0
    if epoch - lowest.epoch < WORSE_EPOCHS or seen.apart < APART_EPOCHS:
        return None
    return (
        f"over-fitting: since epoch {lowest.epoch} the training loss fell from {lowest.train_loss:.3f} to "
        f"{train:.3f} and the validation loss rose from {lowest.loss:.3f} to {now:.3f}; augment, regularise, or end "
        "earlier with train.patience"
    )
