"""Oversized batch: the batch is larger than the training set.

Speaks when the batch has more images than an epoch. Every epoch is then one step of the whole set, without the noise of
small batches, and of fewer steps than the settings suggest (Keskar et al. 2017, arXiv 1609.04836).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule


def look(run: PlannedRun) -> str:
    """The sentence about a batch that no epoch fills."""
    batch, images = run.plan.train.batch, run.images
    if not images or batch <= images:
        return ""
    parts = run.plan.train.accumulate
    tenth = max(1, images // 10 // parts) * parts
    return (
        f"the batch of {batch:,} is larger than the training set of {images:,} images, so every epoch is one step; "
        f"usual are 10 steps or more: train.batch={tenth}"
    )


RULE = LaunchRule(name="oversized batch", level="warning", look=look)
