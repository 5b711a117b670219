"""Scaler skips: the loss scaler throws away more than every twentieth step.

Speaks when more than 5 % of the last 100 gradients overflowed in fp16, after 100 steps (in the first ones the scaler looks for
its scale). A skipped step costs its time and moves nothing, and its rate in the schedule is lost. Source: Micikevicius et
al., "Mixed Precision Training", 2018; torch.amp doubles the scale every 2,000 steps, so one in 2,000 is usual.
"""

import math

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import NORMS, WatchedRun, WatchedSoFar

SHARE = 0.05
"""Share of the steps from which it is said."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about overflows of fp16."""
    if not run.scaled or seen.step < 2 * NORMS or len(seen.norms) < NORMS:
        return None
    skipped = sum(not math.isfinite(norm) for norm in seen.norms)
    if skipped <= SHARE * NORMS:
        return None
    return Finding(
        evidence=f"the loss scaler skipped {skipped} of the last {NORMS} steps, whose gradients overflowed in fp16; usual is one in 2,000",
        action="take bf16, which has the range of float32 and needs no scaler",
        settings={"train.precision": "bf16"},
    )


RULE = WatchRule(name="scaler skips", level="warning", look=look)
