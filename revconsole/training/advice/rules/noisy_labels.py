"""Noisy labels: what is left of the loss is what labels wrong at random leave.

If a share 1 - a of the labels is wrong at random, the best network predicts a and has the loss
-a·ln a - (1-a)·ln((1-a)/(C-1)); a network that confuses similar classes has less at the same accuracy. Speaks when, from 60 %
of the run and ten epochs on, the loss no longer falls (3 % over the last quarter of the epochs) and is about that
value, both in training and in validation, with an accuracy of 35 to 90 %, far above chance. Not judged under
augmentation, dropout or smoothing, which raise the loss too. Source: Natarajan et al., "Learning with Noisy Labels", 2013.
"""

import math
from collections.abc import Mapping

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

EPOCHS, SHARE = 10, 0.6
"""Epochs, and share of the run, after which it is judged."""
FALL = 0.03
"""Fraction of the training loss by which it falls over the last quarter of the epochs, if it still falls."""
NEAR, FAR = 0.95, 1.15
"""Fractions of the loss of random errors between which a loss is like it; above, the network is merely young."""
LOW, HIGH = 0.35, 0.9
"""Accuracies between which it is judged."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about labels that are wrong at random."""
    epochs = seen.epochs
    if run.noisy or run.classes < 2 or len(epochs) < EPOCHS or seen.step < SHARE * run.steps:
        return None
    last = epochs[-1]
    if seen.falls(FALL) or not all(_random(run, last, split) for split in ("train", "validation")):
        return None
    wrong = (1 - last["train_accuracy"]) * run.classes / (run.classes - 1)
    return Finding(
        evidence=f"noisy labels: the accuracy stays at {last['train_accuracy']:.0%} in training and {last['validation_accuracy']:.0%} in "
        f"validation, and the loss ({last['train_loss']:.3f}) is what mistakes spread evenly over {run.classes} classes have "
        f"({random_loss(last['train_accuracy'], run.classes):.3f}): up to {min(1.0, wrong):.0%} of the labels look drawn at random",
        action="look at images with their labels",
        verb="data show",
    )


def random_loss(accuracy: float, classes: int) -> float:
    """Nats of the best prediction of labels of which this share is right and the others are spread evenly."""
    wrong = 1 - accuracy
    return -accuracy * math.log(accuracy) - wrong * math.log(wrong / (classes - 1))


def _random(run: WatchedRun, epoch: Mapping[str, float], split: str) -> bool:
    accuracy, loss = epoch.get(f"{split}_accuracy"), epoch.get(f"{split}_loss")
    if accuracy is None or loss is None or not max(LOW, 2 / run.classes) <= accuracy <= HIGH:
        return False
    return NEAR <= loss / random_loss(accuracy, run.classes) <= FAR


RULE = WatchRule(
    name="noisy labels",
    level="warning",
    look=look,
    unless=chance.RULES | {"diverged", "over-fitting"},
)
