"""Batch and rate: the batch is not that of the profile, and the learning rate is still that of the profile.

Speaks when the batch differs by a factor of two or more and optimiser and rate are the same. With SGD the rate usually
follows the batch in proportion (Goyal et al. 2017, arXiv 1706.02677), with Adam as its root (Malladi et al. 2022, arXiv
2205.10287). A run that lost a point and a half at batch 32 in place of 512 is behind the profile vitb16-cifar100.
"""

import math

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.sections.optimizer import Sgd

FACTOR = 2.0


def look(run: PlannedRun) -> str:
    """The sentence about a batch that was changed alone."""
    if run.origin is None:
        return ""
    plan, there = run.plan, run.origin.plan
    batch, was, rate = plan.train.batch, there.train.batch, plan.optimizer.learning_rate
    same = plan.optimizer.name == there.optimizer.name and rate == there.optimizer.learning_rate
    factor = batch / was
    if not same or 1 / FACTOR < factor < FACTOR:
        return ""
    if isinstance(plan.optimizer, Sgd):
        scaled, law = rate * factor, "SGD is a rate in proportion (Goyal et al. 2017)"
    else:
        scaled, law = (
            rate * math.sqrt(factor),
            f"{run.optimizer} is a rate by the root of the ratio (Malladi et al. 2022)",
        )
    keep = ""
    if factor < 1 and not run.normed:
        parts = next(n for n in range(1, was + 1) if was % n == 0 and was // n <= batch)
        keep = f", or train.batch={was} train.accumulate={parts}"
    seen = ""
    if plan.train.steps and plan.train.steps == there.train.steps:
        seen = f"; {plan.train.steps:,} steps then see {factor:.3g} times the images"
    return (
        f"the batch is {batch}, not {was} as in {run.origin.profile}, at the same learning rate {rate:g}{seen}; usual with "
        f"{law}: optimizer.learning_rate={scaled:.3g}{keep}"
    )


RULE = LaunchRule(name="batch without rate", level="warning", look=look)
