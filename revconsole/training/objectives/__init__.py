"""Objectives: what a run minimises, a file per kind. To add one, read `objective` and write a file with
`objective_of`.

`classification` needs labels. `mae` and `dino` need none: they wrap the network into a learner, whose encoder is used
later, and which is judged by the nearest neighbours of its features.
"""

from importlib import import_module

from revconsole.records.settings.plan import Plan
from revconsole.training.objectives.objective import Inputs, Loss, Objective

__all__ = ["Inputs", "Loss", "Objective", "objective_of"]


def objective_of(plan: Plan) -> Objective:
    """The objective that a plan names."""
    module = import_module(f"revconsole.training.objectives.{plan.objective.name}")
    objective: Objective = module.objective_of(plan)
    return objective
