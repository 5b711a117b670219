"""Dead units: many units have no gradient at all, batch after batch.

Speaks when 30 % of the units or more of linear layers and convolutions have had a gradient of exactly zero over the whole batch in
five reports in a row, of 16 images or more, as few images leave many units of a healthy network at zero: a ReLU whose input is
never positive passes nothing on, and never comes back. Source: Lu et al.,
"Dying ReLU and Initialization", 2020; Maas et al., 2013, for the leaky ReLU.
"""

from revconsole.training.advice.rule import Finding, WatchRule, with_rate
from revconsole.training.advice.seen import WINDOW, WatchedRun, WatchedSoFar

SHARE = 0.3
"""Share of dead units from which it is said."""
FEWEST_IMAGES = 16
"""Images of a batch below which units at zero mean nothing."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a network of which a part is dead."""
    share = seen.reports[-1].get("dead_share", 0.0) if seen.reports else 0.0
    if share < SHARE or seen.step < WINDOW or run.batch < FEWEST_IMAGES:
        return None
    rate = seen.most_rate / 10
    return Finding(
        evidence=f"dead units: {share:.0%} of the units of linear layers and convolutions had a gradient of zero over whole "
        f"batches of {run.batch} in the last five reports, at step {seen.step}",
        action=f"try a tenth of the learning rate ({rate:.2g}) or {run.warm_up}, and an activation that is never flat (GELU)",
        settings=with_rate(rate),
    )


RULE = WatchRule(
    name="dead units", level="warning", look=look, unless={"diverged", "rate too high"}
)
