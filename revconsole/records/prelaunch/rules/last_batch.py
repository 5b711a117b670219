"""Last batch: each epoch ends with a batch of few images.

Speaks when the images that are left over fill less than a sixteenth of a batch: their mean gradient is noisy and moves
the weights as far as that of a whole batch, and a norm over the batch takes its statistics from them (public recipes
drop such a batch, as `data.drop_last` does).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

SHARE = 16
"""A last batch below the batch by this factor is of few images."""
NEAR = 0.1
"""Share of the batch within which another one is suggested."""


def look(run: PlannedRun) -> str:
    """The sentence about what is left over at the end of an epoch."""
    batch, images = run.plan.train.batch, run.images
    left = images % batch
    if run.plan.data.drop_last or images <= batch or not 0 < left * SHARE < batch:
        return ""
    norms = ", and its norms take their statistics from those alone" if run.normed else ""
    count = "1 image" if left == 1 else f"{left} images"
    return (
        f"each epoch ends with a batch of {count}, which moves the weights as far as one of {batch}{norms}; "
        f"usual are equal batches: train.batch={_better(images, batch, run.plan.train.accumulate)}, or data.drop_last=true"
    )


def _better(images: int, batch: int, accumulate: int) -> int:
    """The nearest batch whose last one is at least half full."""
    reach = max(1, int(NEAR * batch), 2 * accumulate)
    near = sorted(range(max(1, batch - reach), batch + reach + 1), key=lambda b: abs(b - batch))
    whole = (b for b in near if b % accumulate == 0)
    return next((b for b in whole if images % b == 0 or 2 * (images % b) >= b), accumulate)


RULE = LaunchRule(name="last batch of few", level="note", look=look)
