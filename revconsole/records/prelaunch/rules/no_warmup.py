"""No warm-up: a transformer from scratch starts at its full learning rate.

Speaks of AdamW, Adam and timm's optimisers when rate × blocks is 0.008 or more (0.001 over 8 blocks, 0.002 over 4) and
nothing rises: the first steps of Adam are large while its averages are still of few gradients (Liu et al. 2020, arXiv
1908.03265), more so the deeper the network (Xiong et al. 2020, arXiv 2002.04745). A network narrower than 128 takes as much more as it
is narrower (Yang et al. 2022, arXiv 2203.03466). One-cycle rises by itself.
"""

import math

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.sections.optimizer import Sgd
from revconsole.records.sections.schedule import OneCycle

FAST = 8e-3
"""Rate × blocks from which a warm-up is missed; public code trains 6 blocks at 0.001 without one (minREV)."""
SHARE = 0.05
"""Usual share of the epochs; SPT and LSA warm up for 10 of 100, DeiT for 5 of 300."""
WIDE = 128
BLOCKS = 12
"""Blocks of a network whose settings do not say."""


def look(run: PlannedRun) -> str:
    """The sentence about a rate that does not rise."""
    plan = run.plan
    if isinstance(plan.optimizer, Sgd) or isinstance(plan.schedule, OneCycle):
        return ""
    if not run.transformer or not run.scratch or run.frozen:
        return ""
    rises = (
        plan.schedule.warmup_epochs
        if plan.schedule.warmup_steps is None
        else plan.schedule.warmup_steps
    )
    rate, blocks = plan.optimizer.learning_rate, run.network.depth or BLOCKS
    narrow = min(1.0, (run.network.dim or WIDE) / WIDE)
    if rises or rate * blocks * narrow < FAST * (1 - 1e-9):
        return ""
    if plan.train.steps:
        remedy = f"schedule.warmup_steps={max(1, math.ceil(SHARE * plan.train.steps))}"
    else:
        remedy = f"schedule.warmup_epochs={max(0.5, float(f'{SHARE * plan.train.epochs:.2g}')):g}"
    return (
        f"no warm-up: {run.optimizer} starts at {rate:g} over {blocks} blocks of random weights; usual are 2 to 10 % of "
        f"the epochs (DeiT 5 of 300, SPT/LSA 10 of 100): {remedy}"
    )


RULE = LaunchRule(name="no warm-up", level="warning", look=look)
