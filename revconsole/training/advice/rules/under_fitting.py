"""Under-fitting: the run has ended, and even the images it was trained on are mostly not understood.

Speaks at the end of a run of 300 steps and ten epochs or more whose accuracy is less than a third of the way from the most
frequent class to 100 %, in training and in validation, without a gap between them. If the loss was still falling, the
advice is a longer run, otherwise a larger model or less regularisation. Source: Goodfellow, Bengio and Courville, "Deep
Learning", 2016, section 5.2 (capacity).
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

STEPS, EPOCHS = 300, 10
"""Least length of a run that is judged."""
THIRD = 1 / 3
"""Share of the way from guessing to 100 % that a run should at least have gone."""
FALL = 0.02
"""Fraction of the training loss by which it falls over the last quarter of the epochs, if it still falls."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The note about a run that was too short, or a model that was too small."""
    epochs, share = seen.epochs, run.guessing_accuracy
    if not seen.ending or share is None or len(epochs) < EPOCHS or seen.step < STEPS:
        return None
    last = epochs[-1]
    train, validation = last.get("train_accuracy", 1.0), last.get("validation_accuracy", 0.0)
    apart = run.spread(train) < train - validation
    if apart or max(train, validation) > share + THIRD * (1 - share):
        return None
    before = epochs[-max(2, len(epochs) // 4)]
    evidence = (
        f"under-fitting: after {seen.step:,} steps the accuracy is {train:.1%} in training and {validation:.1%} in validation "
        f"(the most frequent class alone has {share:.1%}), and the loss "
    )
    if not seen.falls(FALL):
        return Finding(
            evidence=f"{evidence}no longer fell",
            action="try a larger model, or less augmentation and dropout; what it would cost",
            verb="plan",
        )
    return Finding(
        evidence=f"{evidence}was still falling, from {before['train_loss']:.3f} to {last['train_loss']:.3f} in the last quarter",
        action="train for twice as long",
        settings={"train.epochs": round(2 * last["epoch"])},
    )


RULE = WatchRule(
    name="under-fitting",
    level="note",
    look=look,
    unless=chance.RULES
    | {"diverged", "noisy labels", "rate too low", "rate too high", "rate decayed", "warm-up only"},
)
