"""Gradient vanishes: some part of the network gets next to none of it.

Speaks when for five reports of the meter in a row, after 20 steps or more, the mean gradient of the part with the least is below
a ten-thousandth of that with the most. Source: Glorot and Bengio, "Understanding the difficulty of
training deep feedforward neural networks", 2010; residual sums are the remedy (He et al., 2016).
"""

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WINDOW, WatchedRun, WatchedSoFar

SHARE = 1e-4
"""Ratio of the least to the largest gradient below which a part learns nothing."""
REPORTS = 5
"""Reports in a row that are no accident."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a part of the network that does not train."""
    last = [r for r in seen.reports[-REPORTS:] if "least_block_gradient" in r]
    if len(last) < REPORTS or seen.step < WINDOW:
        return None
    if any(r["least_block_gradient"] >= SHARE * r["most_block_gradient"] for r in last):
        return None
    report = last[-1]
    number, most = int(report["least_gradient_block"]), int(report["most_gradient_block"])
    if max(number, most) >= len(run.blocks):
        return None
    return Finding(
        evidence=f"the gradient vanishes: in {run.blocks[number]} it is {report['least_block_gradient']:.1e} for each weight, in "
        f"{run.blocks[most]} {report['most_block_gradient']:.1e}; {run.blocks[number]} hardly trains",
        action="take fewer layers, or blocks with residual sums, and see what each layer gets",
        verb="verify",
    )


RULE = WatchRule(
    name="gradient vanishes", level="warning", look=look, unless={"dead units", "diverged"}
)
