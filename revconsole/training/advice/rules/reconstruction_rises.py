"""Reconstruction rises: the error of rebuilt activations grows as the weights do.

Speaks when the last probe's reconstruction error is ten times the first one's or more, above 1e-6, and has risen in each of the last
three probes. `wrong gradients` is the alarm of a probe that finds the gradient wrong; this tells that it is on its way. Source:
Behrmann et al., "Understanding and Mitigating Exploding Inverses in Invertible Neural Networks", 2021.
"""

from itertools import pairwise

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

TIMES, LEAST, PROBES = 10.0, 1e-6, 3
"""Growth since the first probe, error, and risen probes in a row, from which it is said."""


def look(_run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The note about an inverse that gets worse."""
    errors = seen.column("reconstruction_error", seen.probes)
    if len(errors) <= PROBES or errors[-1] < max(LEAST, TIMES * errors[0]):
        return None
    if any(after <= before for before, after in pairwise(errors[-PROBES - 1 :])):
        return None
    last = seen.probes[-1]
    block = last.get("reconstruction_worst_block")
    where = "" if block is None else f", most in block {block:.0f}"
    gradient = last.get("gradient_error")
    of_gradient = "" if gradient is None else f"; the gradient is off by {gradient:.1e} of its size"
    return Finding(
        evidence=f"the reconstruction error rises: from {errors[0]:.1e} at the first probe to {errors[-1]:.1e} at step "
        f"{last['step']:.0f}{where}{of_gradient}",
        action="recompute the blocks instead of rebuilding them",
        settings={"backward": "checkpointed"},
    )


RULE = WatchRule(name="reconstruction rises", level="note", look=look)
