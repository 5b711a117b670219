"""Few steps: the run ends before it can have learnt.

Speaks below 250 optimiser steps of a network from scratch: the shortest of the shipped recipes make 258 (`mae-fashion`)
to 525 (`demo`, digits), those for CIFAR ten thousands. Fine-tuning and short forms of studies are left alone.
"""

import math

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

FEW = 250
ENOUGH = 500
"""Steps of a suggestion."""
NEXT_TO_NONE = 5
"""A run of fewer steps learns next to nothing, whatever it starts from."""


def _counted(run: PlannedRun) -> str:
    return "1 step" if run.steps == 1 else f"{run.steps} steps"


def look_at_none(run: PlannedRun) -> str:
    """The sentence about a run of hardly any steps."""
    if not 0 < run.steps < NEXT_TO_NONE:
        return ""
    return (
        f"this run makes {_counted(run)} in all, too few to learn anything from; lower train.batch "
        f"({run.plan.train.batch:,}), or raise {'train.steps' if run.plan.train.steps else 'train.epochs'}"
    )


def look(run: PlannedRun) -> str:
    """The sentence about a run of few steps."""
    if not NEXT_TO_NONE <= run.steps < FEW or not run.scratch or run.frozen or run.plan.quick:
        return ""
    if run.plan.train.steps:
        longer = f"train.steps={ENOUGH}"
    else:
        longer = f"train.epochs={math.ceil(ENOUGH / run.steps_per_epoch)}"
    return (
        f"this run makes {_counted(run)} in all from random weights; usual are {ENOUGH} for digits (`demo`) and ten "
        f"thousands for CIFAR: {longer}"
    )


HARDLY_ANY = LaunchRule(name="hardly any steps", level="warning", look=look_at_none)
RULE = LaunchRule(name="few steps", level="note", look=look)
