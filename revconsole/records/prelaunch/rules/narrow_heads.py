"""Narrow heads: a head of fewer than 16 numbers.

Speaks when dim / heads is below 16. A head of few numbers cannot tell more tokens apart than it has numbers (Bhojanapalli
et al. 2020, arXiv 2002.07028). Usual are 64 (ViT), 32 (Swin), and 16 for images of 32 pixels (SPT and LSA).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

NARROW = 16


def look(run: PlannedRun) -> str:
    """The sentence about heads of few numbers."""
    dim, heads = run.network.dim, run.network.heads
    if dim is None or heads is None or dim >= NARROW * heads:
        return ""
    fewer = next(h for h in range(max(1, dim // NARROW), 0, -1) if dim % h == 0)
    wider = heads * NARROW
    key = "model.dim" if heads > 1 else ""
    remedy = f"model.heads={fewer}" if fewer < heads else ""
    if key:
        remedy += f"{' or ' if remedy else ''}model.dim={wider // (2 if run.plan.model.architecture == 'uniformer' else 1)}"
    return (
        f"each of the {heads} heads has {dim // heads} numbers; usual are 16 to 64 (SPT/LSA 16, Swin 32, ViT 64): {remedy}"
        if remedy
        else ""
    )


RULE = LaunchRule(name="narrow heads", level="note", look=look)
