"""Saves nothing: the backward computes blocks again and needs hardly less memory for it.

Speaks when Foresight says that the peak is less than a tenth below that of backward=stored, or, where nothing was
foreseen yet, of networks with one block or two: what is kept is then that of one block, which the backward computes
again anyway. Computing again costs one more forward, about a third of a step (Chen et al. 2016, arXiv 1604.06174).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

LITTLE = 0.1
MIB = 1 << 20


def look(run: PlannedRun) -> str:
    """The sentence about memory that is hardly saved."""
    backward = run.plan.backward
    if backward not in {"checkpointed", "reversible"}:
        return ""
    cost = "and computes every block once more, about a third of a step (Chen et al. 2016): backward=stored"
    known = run.foresight
    if known is None or not {"stored", backward} <= set(known.backwards):
        if run.network.depth != 1:
            return ""
        return f"backward={backward} saves next to nothing over 1 block, where usual are 6 or more, {cost}"
    parts, images = run.plan.parts_of_batch, run.plan.images_at_once
    stored, here = (
        known.peak(word, images, accumulate=parts).total for word in ("stored", backward)
    )
    if here < (1 - LITTLE) * stored:
        return ""
    return (
        f"backward={backward} needs {here / MIB:,.1f} MiB at {images} images and stored {stored / MIB:,.1f} MiB: it "
        f"saves next to nothing here, {cost}"
    )


RULE = LaunchRule(name="saves nothing", level="warning", look=look)
