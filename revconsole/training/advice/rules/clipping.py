"""Clipping: nearly every gradient is cut down, so the clip sets the step and not the gradient.

Speaks after 200 steps beyond the warm-up when more than 90 % of the last 100 gradients were longer than `train.clip`, half of them
five times as long or more: with SGD that is a lower learning rate by another name, with Adam a clip that no longer tells a
rare large gradient from the others. Less is usual in published recipes for vision transformers (clip 1, norms of 1 to 3).
Source: Zhang et al., "Why Gradient Clipping Accelerates Training", 2020.
"""

import math
import statistics

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import NORMS, WatchedRun, WatchedSoFar

SHARE, TIMES = 0.9, 5.0
"""Share of the steps that are clipped, and multiple of the clip by the median norm, from which it is said."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The note about a clip that is always at work."""
    norms = [norm for norm in seen.norms if math.isfinite(norm)]
    if not run.clip or seen.step < run.fair or len(norms) < NORMS:
        return None
    clipped, median = sum(norm > run.clip for norm in norms), statistics.median(norms)
    if clipped <= SHARE * len(norms) or median < TIMES * run.clip:
        return None
    clip = float(f"{2 * median:.1g}")
    return Finding(
        evidence=f"clipping is at work in {clipped} of the last {len(norms)} steps: the norm of the gradient is {median:.3g} in the middle, "
        f"train.clip is {run.clip:g}, so the length of every step is that of the clip",
        action=f"clip at {clip:g}, where only rare gradients are cut, and lower the learning rate instead",
        settings={"train.clip": clip},
    )


RULE = WatchRule(name="clipping", level="note", look=look, unless={"diverged", "gradient explodes"})
