"""Chance: whether a network predicts no better than the shares of the classes, and the likeliest cause.

One of three rules speaks of it, by cause: `at_chance` (the rate), `class_share` (classes of unequal size) and
`random_labels`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

Cause = Literal["decayed", "still", "labels", "shares", "thrown", "slow"]
RULES = frozenset({"at chance", "class share", "random labels"})
"""The rules of which one speaks at a time."""
NOTHING_LEARNT = 0.99
"""Fraction of the guessing loss above which nothing has been learnt."""
LEARNT = 0.95
"""Fraction of the guessing loss below which something has been learnt."""
TOO_HIGH, THROWN = 1.1, 1.5
"""Multiples of the guessing loss above which the present loss, or the loss of any step, is worse than guessing."""
SURE = 0.15
"""Spread of the guessing accuracy above which there are too few images to judge."""
YOUNG = 0.05
"""Weight of the initial weights in a moving average above which it behaves like them."""
APART = 0.005
"""Fraction of the guessing loss by which training and validation differ if only the training images are learnt."""
FAST = 5e-3
"""Learning rate far above what adaptive optimisers are used with."""
SLOW, SLOW_SGD = 1e-4, 0.1
"""Learning rates below which a network that learns nothing needs a higher one; for SGD without momentum."""
STOOD_STILL = 0.02
"""Sum of the rates of an adaptive optimiser, the most a weight can move; initial weights have about this spread."""
SHORT_PATH = 1.0
"""Length of the path of all weights, for other optimisers, that is too short to matter."""
UNEQUAL = 1.5
"""Multiple of 1 / classes from which the largest class is much larger than the others."""


def rule(name: str, look: Callable[[WatchedRun, WatchedSoFar], Finding | None]) -> WatchRule:
    """One of the rules that speak of a network at chance."""
    return WatchRule(name=name, level="alarm", look=look, over=over, unless=RULES | {"diverged"})


def judged(run: WatchedRun, seen: WatchedSoFar) -> bool | None:
    """Whether the network is at chance after the last epoch; None if that cannot be judged, or not yet."""
    values = seen.epoch()
    loss, accuracy = scores(values)
    if run.guessing_loss is None or run.guessing_accuracy is None:
        return None
    if loss is None or accuracy is None or values["step"] < run.fair:
        return None
    if accuracy - run.guessing_accuracy > _spread(run) or loss < LEARNT * run.guessing_loss:
        return False
    # Few images, or an average of young weights, say little about learning.
    uncertain = _spread(run) > SURE or run.average**seen.step > YOUNG
    if uncertain and _learns(run, values):
        return None
    return True if loss >= NOTHING_LEARNT * run.guessing_loss else None


def evidence(run: WatchedRun, seen: WatchedSoFar) -> str:
    """The numbers of a network at chance."""
    loss, accuracy = scores(seen.epoch())
    return (
        f"after {seen.step} steps the network is at chance: its loss {loss or 0:.3f} is no better than that of guessing by "
        f"the shares of the classes ({run.guessing_loss or 0:.3f}), and its accuracy {accuracy or 0:.1%} than that of the "
        f"most frequent class ({run.guessing_accuracy or 0:.1%})"
    )


def over(run: WatchedRun, seen: WatchedSoFar) -> str | None:
    """Whether the network has begun to learn, in words."""
    return "the network has begun to learn" if judged(run, seen) is False else None


def scores(values: Mapping[str, float]) -> tuple[float | None, float | None]:
    """(loss, accuracy) of the validation, or of the training if nothing is held out."""
    split = "validation" if "validation_accuracy" in values else "train"
    return values.get(f"{split}_loss"), values.get(f"{split}_accuracy")


def cause(run: WatchedRun, seen: WatchedSoFar) -> Cause:
    """Why a network at chance most likely is, according to losses, rates and classes."""
    if "rate decayed" in seen.told:
        return "decayed"
    if stands_still(run, seen):
        return "shares" if unequal(run) else "still"
    if _memorises(run, seen):
        return "labels"
    if unequal(run):
        return "shares"
    if thrown(run, seen):
        return "thrown"
    return "slow" if slow(run, seen) else "labels"


def stands_still(run: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the rates are so low that no weight can have moved by as much as it was drawn with."""
    return seen.moved < (STOOD_STILL if run.adaptive else SHORT_PATH)


def slow(run: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the highest rate so far is far below what this optimiser is used with."""
    return seen.most_rate < (SLOW if run.adaptive else SLOW_SGD * (1 - run.momentum))


def thrown(run: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether predictions are or were worse than guessing, or were once good: the rate is too high."""
    loss, guessing = scores(seen.epoch())[0] or 0.0, run.guessing_loss or 0.0
    if seen.lowest is not None and seen.lowest.loss < LEARNT * guessing:
        return True
    if loss > TOO_HIGH * guessing or (run.adaptive and seen.most_rate > FAST):
        return True
    return seen.highest > THROWN * max(guessing, seen.first or 0.0)


def unequal(run: WatchedRun) -> bool:
    """Whether the largest class is so much larger than the others that naming it pays."""
    return run.classes > 0 and (run.guessing_accuracy or 0.0) >= UNEQUAL / run.classes


def _memorises(run: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the training images are predicted better than by guessing, and the validation images are not."""
    values = seen.epoch()
    train, accuracy = values.get("train_loss"), values.get("train_accuracy")
    if train is None or accuracy is None or "validation_accuracy" not in values:
        return False
    guessing, share = run.guessing_loss or 0.0, run.guessing_accuracy or 0.0
    apart = values["validation_loss"] > max(guessing, train + APART * guessing)
    return apart and (accuracy > share + _spread(run) or train < guessing)


def _learns(run: WatchedRun, values: Mapping[str, float]) -> bool:
    """Whether the training images are predicted better than by guessing."""
    loss, accuracy = values.get("train_loss", math.inf), values.get("train_accuracy", 0.0)
    guessing, share = run.guessing_loss or 0.0, run.guessing_accuracy or 0.0
    return loss < LEARNT * guessing or accuracy > share + _spread(run)


def _spread(run: WatchedRun) -> float:
    return run.spread(run.guessing_accuracy or 0.0)
