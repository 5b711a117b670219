"""Counting: parameters of the runs of a form, counted once for every shape of model. No widgets."""

from collections.abc import Mapping, Sequence

from revconsole.lab import format as shown
from revconsole.records.settings.plan import Plan

MOST_COUNTED = 12
"""Shapes that are counted of a large grid."""


def shape(plan: Plan) -> str:
    """What the number of parameters depends on."""
    return f"{plan.model!r} {plan.scheme!r} {plan.data.dataset} {plan.image_size}"


def span(plans: Sequence[Plan], counts: Mapping[str, int]) -> str:
    """Fewest and most parameters of the runs; empty while one is not counted."""
    shapes = list(dict.fromkeys(shape(plan) for plan in plans))[:MOST_COUNTED]
    if not counts.keys() >= set(shapes):
        return ""
    low, high = (f([counts[shape] for shape in shapes]) for f in (min, max))
    if not high:
        return "support vectors known once it is fitted"
    if low == high:
        return f"{shown.count(low)} parameters"
    return f"{shown.count(low)} to {shown.count(high)} parameters"


def summary(plans: Sequence[Plan], counted: str, *, looking: bool) -> str:
    """What a form launches. counted: of its models' parameters. looking: whether a model is still being looked at."""
    runs = "1 run" if len(plans) == 1 else f"{len(plans)} runs"
    return f"launches {runs} · {counted}" + (" · looking at the model…" if looking else "")
