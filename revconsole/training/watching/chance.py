"""Chance: a network that predicts no better than the class frequencies."""

import math
from collections.abc import Mapping

from revconsole.training.watching.rate import DECAYED
from revconsole.training.watching.seen import WatchedRun, WatchedSoFar

CHANCE = "at chance"
FAIR_STEPS = 200
"""Least steps, and at least one epoch, before a run is judged."""
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
SIGMAS = 3.0


def judged(subject: WatchedRun, seen: WatchedSoFar, values: Mapping[str, float]) -> bool | None:
    """Whether the network is at chance after this epoch; None if that cannot be judged, or not yet."""
    loss, accuracy = scores(values)
    if subject.guessing_loss is None or subject.guessing_accuracy is None:
        return None
    if loss is None or accuracy is None or seen.step < _fair(subject):
        return None
    above = accuracy - subject.guessing_accuracy
    if above > _spread(subject) or loss < LEARNT * subject.guessing_loss:
        return False
    if _cannot_tell(subject, seen) and _learns(subject, values):
        return None
    return True if loss >= NOTHING_LEARNT * subject.guessing_loss else None


def sentence(subject: WatchedRun, seen: WatchedSoFar, values: Mapping[str, float]) -> str:
    """The alarm about a network at chance, with a remedy."""
    loss, accuracy = scores(values)
    guessing, share = subject.guessing_loss or 0.0, subject.guessing_accuracy or 0.0
    return (
        f"after {seen.step} steps the network is at chance: its loss {loss:.3f} is no better than that of guessing by "
        f"the shares of the classes ({guessing:.3f}), and its accuracy {accuracy:.1%} than that of the most frequent "
        f"class ({share:.1%}); {_what_to_do(subject, seen, values)}"
    )


def scores(values: Mapping[str, float]) -> tuple[float | None, float | None]:
    """(loss, accuracy) of the validation, or of the training if nothing is held out."""
    split = "validation" if "validation_accuracy" in values else "train"
    return values.get(f"{split}_loss"), values.get(f"{split}_accuracy")


def _what_to_do(subject: WatchedRun, seen: WatchedSoFar, values: Mapping[str, float]) -> str:
    """The likeliest cause according to losses and rate, and what to try."""
    if DECAYED in seen.told:
        return "its learning rate decayed to nothing before anything was learnt: let it fall more slowly"
    tenth, tenfold = f"{seen.most_rate / 10:.2g}", f"{10 * seen.most_rate:.2g}"
    if seen.moved < (STOOD_STILL if subject.adaptive else SHORT_PATH):
        return (
            f"the learning rate is too low: with {seen.most_rate:.2g} at most, {seen.step} steps take the weights "
            f"nowhere; try ten times it ({tenfold})"
        )
    if _memorises(subject, values):
        return (
            "it learns its training images and nothing that holds for others: the labels look random, or the "
            "validation images are labelled otherwise; look at them with `revconsole data show`"
        )
    if _thrown(subject, seen, values):
        return f"the learning rate is too high: try a tenth of it ({tenth}), or {subject.warm_up}"
    if seen.most_rate < (SLOW if subject.adaptive else SLOW_SGD * (1 - subject.momentum)):
        return f"the learning rate seems too low: try ten times it ({tenfold})"
    return (
        "the labels look random, or nothing of the images reaches the answer: look at the data with `revconsole data "
        f"show`, and at the model with `revconsole verify`; else try a tenth of the learning rate ({tenth}), or {subject.warm_up}"
    )


def _cannot_tell(subject: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the scores say little about learning: few images, or an average of young weights."""
    return _spread(subject) > SURE or subject.average**seen.step > YOUNG


def _learns(subject: WatchedRun, values: Mapping[str, float]) -> bool:
    """Whether the training images are predicted better than by guessing."""
    loss, accuracy = values.get("train_loss", math.inf), values.get("train_accuracy", 0.0)
    guessing, share = subject.guessing_loss or 0.0, subject.guessing_accuracy or 0.0
    return loss < LEARNT * guessing or accuracy > share + _spread(subject)


def _thrown(subject: WatchedRun, seen: WatchedSoFar, values: Mapping[str, float]) -> bool:
    """Whether predictions are or were worse than guessing, or were once good: the rate is too high."""
    loss, guessing = scores(values)[0] or 0.0, subject.guessing_loss or 0.0
    if seen.lowest is not None and seen.lowest.loss < LEARNT * guessing:
        return True
    if loss > TOO_HIGH * guessing or (subject.adaptive and seen.most_rate > FAST):
        return True
    return seen.highest > THROWN * max(guessing, seen.first or 0.0)


def _memorises(subject: WatchedRun, values: Mapping[str, float]) -> bool:
    """Whether the training images are predicted better than by guessing, and the validation images are not."""
    train, accuracy = values.get("train_loss"), values.get("train_accuracy")
    if train is None or accuracy is None or "validation_accuracy" not in values:
        return False
    guessing, share = subject.guessing_loss or 0.0, subject.guessing_accuracy or 0.0
    apart = values["validation_loss"] > max(guessing, train + APART * guessing)
    return apart and (accuracy > share + _spread(subject) or train < guessing)


def _fair(subject: WatchedRun) -> int:
    return subject.warmup + max(FAIR_STEPS, subject.steps_per_epoch)


def _spread(subject: WatchedRun) -> float:
    share = subject.guessing_accuracy or 0.0
    return SIGMAS * math.sqrt(share * (1 - share) / max(1, subject.images))
