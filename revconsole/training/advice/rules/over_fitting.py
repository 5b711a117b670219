"""Over-fitting: the validation loss rises while the training loss falls.

Speaks when the validation loss has been clearly above its lowest for three epochs in a row, five epochs or more after
it, with a lower training loss. The rise must exceed the sampling noise: with mean loss l from few wrong predictions
that cost c each, the variance is about l·c per judged image. Source: Prechelt, "Early Stopping, but When?", 1998.
"""

import itertools
import math
from collections.abc import Mapping

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

WORSE_EPOCHS = 5
"""Epochs in a row without a lower validation loss that are not accidental."""
APART_EPOCHS = 3
"""Epochs in a row with a clearly higher validation loss; a single one is a spike."""
NOISE = 0.02
"""Fraction of the guessing loss by which losses fluctuate."""
COST = 2.0
"""Typical loss in nats of a wrong prediction of a trained network."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a run that fits its training images ever better and others ever worse."""
    lowest, last = seen.lowest, seen.epoch()
    if lowest is None or run.guessing_loss is None or "validation_loss" not in last:
        return None
    if last["epoch"] - lowest.epoch < WORSE_EPOCHS:
        return None
    noise = NOISE * run.guessing_loss
    rise = noise + math.sqrt(COST * lowest.loss / max(1, run.images))

    def apart(epoch: Mapping[str, float]) -> bool:
        higher = epoch["validation_loss"] > lowest.loss + rise
        return higher and epoch["train_loss"] < lowest.train_loss - noise

    row = list(itertools.takewhile(apart, seen.epochs[: -APART_EPOCHS - 1 : -1]))
    if len(row) < APART_EPOCHS:
        return None
    return Finding(
        evidence=f"over-fitting: since epoch {lowest.epoch} the training loss fell from {lowest.train_loss:.3f} to "
        f"{last['train_loss']:.3f} and the validation loss rose from {lowest.loss:.3f} to {last['validation_loss']:.3f}",
        action=f"augment, regularise, or end earlier with train.patience={WORSE_EPOCHS}",
        settings={"train.patience": WORSE_EPOCHS},
    )


RULE = WatchRule(
    name="over-fitting", level="warning", look=look, unless={"random labels", "diverged"}
)
