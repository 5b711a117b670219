"""Norm batch: a BatchNorm takes its statistics from too few images.

Speaks when a network with BatchNorm sees 8 images or fewer at once. The error of ResNet-50 on ImageNet grows with every
halving of the batch per worker below 16, by a tenth in all at 2 (Wu and He 2018, Group Normalization, arXiv 1803.08494).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

FEW = 8


def look(run: PlannedRun) -> str:
    """The sentence about statistics of few images; `norm_in_parts` has those of micro-batches."""
    if not run.normed or run.micro_batch > FEW or run.plan.train.accumulate > 1:
        return ""
    count = "1 image" if run.micro_batch == 1 else f"{run.micro_batch} images"
    return (
        f"BatchNorm takes its statistics from {count} at a time, so evaluation may be far from training; usual are 16 or "
        f"more (Wu and He 2018): train.batch=32"
    )


RULE = LaunchRule(name="norm over few images", level="warning", look=look)
