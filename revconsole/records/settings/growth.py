"""Growth: how far rounding grows while a stack is undone, foretold from the settings alone.

Undone in floats, every block adds a rounding and scales those that are there already. `error_growth` counts how
many roundings the reconstructed input carries in the end; times the rounding of the arithmetic that is the
relative error to expect, and steep blocks add their own slope. Under autocast the streams may stay as good as in
float32 for a while, until differences in the last place flip roundings inside the branches; so there the
prediction is a range. What may be foretold at most is `revconsole.reversible.rounding`'s rule, as are the counts
those of its schemes: that needs torch, and this does not. `refuse_lost` applies it to a plan before there is a run.
"""

import cmath
import math
import random
from collections.abc import Sequence

from revconsole.records.sections import Scheme
from revconsole.records.sections.model import Cct, Vit
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.scheme import (
    AdditiveSection,
    BdiaSection,
    CoefficientsSection,
    HamiltonianSection,
    LeapfrogSection,
    MidpointASection,
    MidpointSection,
    MomentumSection,
    ResidualSection,
)
from revconsole.records.settings.plan import Plan

ROUNDING = {"float32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}
"""Half a unit in the last place, relatively."""
SHARE = 1 / 8
"""Of a stream that a branch adds to it."""
ONSET = 3
"""Blocks undone until the rounding of the branches counts beside that of the streams."""
LEFT, MARGIN = 0.4, 2.5
"""Share of the digits that must be left, and what lies between the error of the streams and that of the gradient."""
SLOPE = 0.15
"""Of a block's residual, as an error meets it."""
WORRYING = 1e-3
"""Relative error above which a reconstruction may spoil gradients."""
LOST = 1.0
"""Relative error at which the activations carry no information."""
WRONG_GRADIENTS = {"float32": 1e-2, "tf32": 0.1, "bf16": 0.1, "fp16": 0.1}
"""Relative gradient error above which a run does not train the model it claims to, by precision."""
REMEDY = "scheme.grid_bits=9 (exact, bit for bit) or backward=checkpointed"


def predicted(plan: Plan) -> str:
    """The expected reconstruction error in words; empty if nothing is reconstructed."""
    if plan.backward not in {"reversible", "auto"} or isinstance(plan.scheme, ResidualSection):
        return ""
    blocks = depth(plan)
    if blocks is None and carried(plan) > 0:
        return "its error is measured when the model is built"
    said = sentence(plan, carried(plan), blocks or 1)
    return f"with every block reversed, {said}" if plan.backward == "auto" else said


def depth(plan: Plan) -> int | None:
    """Number of blocks of the deepest stack; None if only the built model tells."""
    return plan.model.depth if isinstance(plan.model, Vit | Cct) else None


def carried(plan: Plan) -> float:
    """The error growth of the plan; for one block if the depth is unknown before the model is built."""
    return error_growth(plan.scheme, depth(plan) or 1)


def sentence(plan: Plan, growth: float, blocks: int) -> str:
    """The consequence of this error growth over this many blocks, in words."""
    if growth == 0:
        return "exact, bit for bit"
    low, high = _errors(plan, growth)
    gamma = getattr(plan.scheme, "gamma", None)
    scheme = plan.scheme.name if gamma is None else f"{plan.scheme.name} {gamma:g}"
    over = (
        f"over {blocks} {'block' if blocks == 1 else 'blocks'} ({scheme}, {plan.train.precision})"
    )
    if low >= LOST:
        return (
            f"the activations are lost, rounding grows {growth:.1e} times {over}: "
            f"the gradients will be wrong; use {REMEDY}"
        )
    size = f"about {low:.0e}" if low == high else f"between {low:.0e} and {min(high, LOST):.0e}"
    prediction = f"error grows to {size} of the activations {over}"
    return (
        f"{prediction}, which may spoil gradients; use {REMEDY}"
        if worrying(plan, growth)
        else prediction
    )


def worrying(plan: Plan, growth: float) -> bool:
    """Whether this error growth requires a warning."""
    low, high = _errors(plan, growth)
    return low > WORRYING or high > LOST


def refuse_lost(plan: Plan) -> None:
    """Raise Rule if the backward could not reconstruct the activations in the plan's precision.

    If the depth is unknown, the check is made when the model is built.
    """
    blocks = depth(plan)
    if plan.backward != "reversible" or blocks is None:
        return
    precision = plan.train.precision
    error, most = foretold(plan.scheme, blocks, precision), limit(precision)
    if error > most:
        finer = precision != "float32" and foretold(plan.scheme, blocks, "float32") <= limit(
            "float32"
        )
        others = ", train.precision = 'float32'" if finer else ""
        raise Rule(
            "scheme.grid_bits",
            f"float {plan.scheme.name} loses its activations over {blocks} blocks in {precision}, by "
            f"{min(error, 1.0):.2%} ({most:.2%} at most); set grid_bits = 9 for exact reconstruction{others}, "
            "or backward 'checkpointed'",
        )


def foretold(scheme: Scheme, blocks: int, precision: str) -> float:
    """The relative error of the activations once that many blocks are undone; see `reversible.rounding`."""
    error = error_growth(scheme, blocks) * ROUNDING["float32"]
    if precision != "float32" and blocks > ONSET:
        error = max(error, error_growth(scheme, blocks - ONSET) * ROUNDING[precision] * SHARE)
    return error


def limit(precision: str) -> float:
    """The most of it that may be foretold."""
    most: float = ROUNDING[precision] ** LEFT / MARGIN
    return most


def wrong(plan: Plan, gradient_error: float | None) -> bool:
    """Whether a measured relative gradient error exceeds the limit for the plan's precision."""
    return (
        gradient_error is not None and not gradient_error <= WRONG_GRADIENTS[plan.train.precision]
    )


def worst(plans: Sequence[Plan]) -> Plan | None:
    """The plan with the worst predicted reconstruction; None if none reconstructs."""
    rebuilt = [plan for plan in plans if predicted(plan)]
    return max(rebuilt, key=lambda plan: _errors(plan, carried(plan)), default=None)


def error_growth(scheme: Scheme, blocks: int) -> float:
    """How many roundings the reconstructed input of that many blocks carries.

    0 where reconstruction is exact, infinite where there is none.
    """
    if isinstance(scheme, ResidualSection) or getattr(scheme, "gamma", 1.0) == 0:
        return math.inf
    if scheme.grid_bits is not None:
        return 0.0
    match scheme:
        case MomentumSection(gamma=weight):
            count = _divided(weight, blocks)
        case BdiaSection(gamma=weight):
            drawn = [(-1) ** block * weight for block in range(blocks)]
            count = _carried([(g, 1.0 - g, 1.0 + g) for g in drawn])
        case MidpointSection(step=step):
            count = _carried([(1.0, 0.0, 2.0 * step)] * blocks)
        case LeapfrogSection(step=step):
            count = _carried([(-1.0, 2.0, step**2)] * blocks)
        case MidpointASection(step=step):
            mixing = [_mixing(scheme, index) for index in range(blocks)]
            count = _carried([(a, 1.0 - a, step) for a in mixing])
        case CoefficientsSection():
            count = _on_the_way(scheme, blocks)
        case AdditiveSection() | HamiltonianSection():
            count = math.sqrt(blocks)
    return count


def _divided(gamma: float, blocks: int) -> float:
    """Two roundings a block, each divided by gamma at every block below."""
    total = 0.0
    for _ in range(blocks):
        total = 1.0 + total / gamma / gamma
    return 2.0 * math.sqrt(total)


def _carried(weights: Sequence[tuple[float, float, float]]) -> float:
    """Roundings of the worse state, of x₊ = a·x₋ + b·x + c·h(x) undone by division; weights: a, b, c of each block."""
    newer = older = together = worst = 0.0
    for a, b, c in reversed(weights):
        handed_on = newer + (b * b + (c * SLOPE) ** 2) * older - 2.0 * b * together
        made = (1.0 + abs(b) + abs(c)) ** 2
        newer, older, together = older, handed_on / a / a + made, (together - b * older) / a
        if not math.isfinite(older):
            return math.inf
        worst = max(worst, older)
    return math.sqrt(worst)


def _on_the_way(scheme: CoefficientsSection, blocks: int) -> float:
    """The most that the moving weights carry anywhere between start and end."""
    end_alpha = scheme.alpha if scheme.end_alpha is None else scheme.end_alpha
    end_beta = scheme.beta if scheme.end_beta is None else scheme.end_beta
    found = []
    for point in range(21):
        alpha = scheme.alpha + (end_alpha - scheme.alpha) * point / 20
        beta = scheme.beta + (end_beta - scheme.beta) * point / 20
        if beta:
            found.append(
                _carried([(beta, alpha, 1.0)] * min(blocks, _undone_in_a_row(alpha, beta)))
            )
    return max(found, default=math.inf)


def _undone_in_a_row(alpha: float, beta: float) -> int:
    """Blocks until a rounding has grown five hundredfold, where states are set aside; 0 for fewer than two."""
    roots = (alpha + sign * cmath.sqrt(alpha * alpha + 4 * beta) for sign in (1, -1))
    smaller = min(abs(root) / 2 for root in roots)
    if smaller >= 1:
        return 1_000_000
    blocks = int(math.log(500) / -math.log(smaller)) if smaller else 0
    return blocks if blocks > 1 else 0


def _mixing(scheme: MidpointASection, index: int) -> float:
    """The a that midpoint_a draws for a block."""
    source = random.Random(f"midpoint_a {scheme.draw} {index}")
    sign = source.choice((-1, 1))
    return round(64 * (sign + source.uniform(-scheme.spread, scheme.spread))) / 64


def _errors(plan: Plan, growth: float) -> tuple[float, float]:
    """(error if only the streams round in float32, error if the branches' precision rounds them too)."""
    return growth * ROUNDING["float32"], growth * ROUNDING[plan.train.precision]
