"""Frozen at random: everything but the head is frozen, and none of it has learnt anything.

Speaks when `train.freeze` is `backbone` and the network starts from random weights: a linear probe then judges random
features. Probes are for what a network has learnt before (Alain and Bengio 2016, arXiv 1610.01644). A random part that is
frozen on purpose, such as the patch embedding (Chen et al. 2021, arXiv 2104.02057), is left alone, and so are models of
one's own, which may read weights themselves.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.sections.model import Python


def look(run: PlannedRun) -> str:
    """The sentence about a probe of random weights."""
    own = isinstance(run.plan.model, Python)
    if run.plan.train.freeze != "backbone" or not run.scratch or own:
        return ""
    return (
        "train.freeze=backbone leaves all but the head at its random weights, so the head judges random features; usual is a "
        "network with weights that have learnt something (Alain and Bengio 2016), or one that trains as a whole: train.freeze=none"
    )


RULE = LaunchRule(name="frozen at random", level="warning", look=look)
