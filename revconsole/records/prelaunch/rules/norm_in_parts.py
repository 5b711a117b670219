"""Norm in parts: accumulation changes what a BatchNorm does.

Speaks when a network with BatchNorm accumulates gradients: its statistics are those of a micro-batch, so 8 micro-batches
of 16 are not a batch of 128 (Ioffe and Szegedy 2015, arXiv 1502.03167, section 3). Below 16 the error grows besides (Wu and
He 2018, arXiv 1803.08494).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

FEW = 16


def look(run: PlannedRun) -> str:
    """The sentence about statistics of a part of the batch."""
    parts = run.plan.train.accumulate
    if parts == 1 or not run.normed or run.plan.train.sync_batchnorm:
        return ""
    few = (
        "; usual are 16 images or more at a time (Wu and He 2018)" if run.micro_batch < FEW else ""
    )
    ranks = run.plan.train.ranks
    why = f"train.accumulate={parts}" if parts != ranks else f"train.gpus={ranks}"
    remedy = "; train.accumulate=1 if memory allows" if ranks == 1 else ""
    remedy = "; train.sync_batchnorm takes them over all ranks" if ranks == parts > 1 else remedy
    return (
        f"BatchNorm takes its statistics over each micro-batch of {run.micro_batch}, not over the batch of "
        f"{run.plan.train.batch}: with {why} this network trains otherwise than without{few}{remedy}"
    )


RULE = LaunchRule(name="norm over micro-batches", level="warning", look=look)
