"""Test below validation: the test images are predicted far worse than the validation images.

Speaks at the end when the two accuracies differ by more than three standard deviations of both (binomial) and by 2 points:
either the validation images are among the training images in some form, or the test images are of another kind. The
best of n epochs is a little too good by chance, which three deviations cover for a few hundred epochs. Source: Recht et al., "Do
ImageNet Classifiers Generalize to ImageNet?", 2019.
"""

import math

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

POINTS = 0.02
"""Least difference that matters."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a split that leaks, or a test of another kind."""
    test = seen.ending.get("test_accuracy")
    best = max(seen.column("validation_accuracy", seen.epochs), default=None)
    if test is None or best is None or not run.tested:
        return None
    spread = math.hypot(run.spread(test, run.tested), run.spread(best))
    if best - test <= max(POINTS, spread):
        return None
    return Finding(
        evidence=f"the test is far below the validation: {test:.1%} of {run.tested:,} images against {best:.1%} of {run.images:,}, more "
        f"than three standard deviations ({spread:.1%}) apart; images of the validation may be among those of the training, or "
        "the test is of another kind",
        action="look at the images and their numbers",
        verb="data show",
    )


RULE = WatchRule(name="test below validation", level="warning", look=look)
