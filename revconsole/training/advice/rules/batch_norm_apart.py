"""BatchNorm apart: the network in evaluation mode is far worse than the one that trains, on the same images.

Speaks when, in the last three epochs and 50 steps or later, training images evaluated with running statistics have a loss above
that of training by half the guessing loss and by twice itself: the running statistics are not those of the batches, most
often because these are small. Source: Ioffe, "Batch Renormalization", 2017; pytorch issues 4741 and 19916.
"""

from collections.abc import Mapping

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

EPOCHS, STEPS = 3, 50
"""Epochs in a row, and steps, that are no accident of young statistics."""
ABOVE_GUESSING, TIMES = 0.5, 2.0
"""By how much the loss is higher, as a fraction of the guessing loss and as a multiple of the training loss."""
ENOUGH = 32
"""Images whose statistics are good enough (Wu and He, "Group Normalization", 2018, figure 1)."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about running statistics that are off."""
    last = [epoch for epoch in seen.epochs[-EPOCHS:] if "train_loss_evaluated" in epoch]
    if run.guessing_loss is None or len(last) < EPOCHS or seen.step < STEPS:
        return None
    if not all(_apart(epoch, run.guessing_loss) for epoch in last):
        return None
    epoch, batch = last[-1], max(ENOUGH, 4 * run.micro_batch)
    return Finding(
        evidence=f"BatchNorm: the training images have a loss of {epoch['train_loss']:.3f} in training mode and of "
        f"{epoch['train_loss_evaluated']:.3f} in evaluation mode (accuracy {epoch['train_accuracy_evaluated']:.1%}); its running "
        f"statistics are not those of the batches of {run.micro_batch}",
        action=f"take batches of {batch}",
        settings={"train.batch": batch} | ({"train.accumulate": 1} if run.accumulate > 1 else {}),
    )


def _apart(epoch: Mapping[str, float], guessing: float) -> bool:
    train, evaluated = epoch["train_loss"], epoch["train_loss_evaluated"]
    return evaluated > max(train + ABOVE_GUESSING * guessing, TIMES * train)


RULE = WatchRule(name="BatchNorm apart", level="warning", look=look, unless={"diverged"})
