"""Gradient explodes: its norm has grown by orders of magnitude, and the loss does not fall for it.

Speaks when the median norm of the last 20 steps is 100 times the median over the run so far and above 10, and the loss is not
at its lowest. Names the part of the network where the gradient is largest for its size. Source: Pascanu, Mikolov and Bengio,
"On the difficulty of training recurrent neural networks", 2013.
"""

import statistics

from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

TIMES, LEAST = 100.0, 10.0
"""Growth of the norm, and the norm, from which it is said."""
POINTS = 4
"""Points of the trend before the last that make a median."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about gradients that explode."""
    if len(seen.trend) <= POINTS:
        return None
    usual = statistics.median(point[2] for point in seen.trend[:-1])
    step, loss, norm = seen.trend[-1]
    if norm < max(LEAST, TIMES * usual) or loss <= min(point[1] for point in seen.trend):
        return None
    number = int(seen.reports[-1].get("most_gradient_block", -1)) if seen.reports else -1
    where = f", largest in {run.blocks[number]}" if 0 <= number < len(run.blocks) else ""
    evidence = f"the gradient explodes: its norm is {norm:.3g} at step {step:.0f} and was {usual:.3g} before{where}"
    if not run.clipped:
        return Finding(evidence=evidence, action="clip it", settings={"train.clip": 1.0})
    rate = seen.most_rate / 10
    action = f"try a tenth of the learning rate ({rate:.2g})"
    return Finding(evidence=evidence, action=action, settings=with_rate(rate))


RULE = WatchRule(name="gradient explodes", level="warning", look=look, unless={"diverged"})
