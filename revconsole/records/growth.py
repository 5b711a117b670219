"""Growth: how far rounding grows while a stack is undone, foretold from the settings alone.

Undone in floats, every block adds a rounding and scales those that are there already. `error_growth` counts how
many roundings the reconstructed input carries in the end; times the rounding of the arithmetic that is the
relative error to expect, and steep blocks add their own slope. Under autocast the streams may stay as good as in
float32 for a while, until differences in the last place flip roundings inside the branches; so there the
prediction is a range. The counts are those of `revconsole.reversible`, which needs torch, as this does not.
"""

import cmath
import math
import random
from collections.abc import Sequence

from revconsole.records.plan import Plan
from revconsole.records.sections import (
    Additive,
    Bdia,
    Cct,
    Coefficients,
    Hamiltonian,
    Leapfrog,
    Midpoint,
    MidpointA,
    Momentum,
    Residual,
    Scheme,
    Vit,
)

ROUNDING = {"float32": 2.0**-24, "bf16": 2.0**-9, "fp16": 2.0**-12}
"""Half a unit in the last place, relatively."""
WORRYING = 1e-3
"""Relative error from which a reconstruction may spoil gradients."""
LOST = 1.0
"""Relative error at which nothing is left of the activations."""
WRONG_GRADIENTS = {"float32": 1e-2, "bf16": 0.1, "fp16": 0.1}
"""Relative error of a gradient from which a run is not the run it claims to be."""
REMEDY = "scheme.grid_bits=9 (exact, bit for bit) or backward=checkpointed"


def predicted(plan: Plan) -> str:
    """What to expect of the reconstruction, in words; empty where nothing is reconstructed."""
    if plan.backward not in {"reversible", "auto"} or isinstance(plan.scheme, Residual):
        return ""
    blocks = depth(plan)
    if blocks is None and carried(plan) > 0:
        return "its error is known when the model is built"
    said = sentence(plan, carried(plan), blocks or 1)
    return f"with every block reversed, {said}" if plan.backward == "auto" else said


def depth(plan: Plan) -> int | None:
    """Blocks of the deepest stack; None where only the built model tells."""
    return plan.model.depth if isinstance(plan.model, Vit | Cct) else None


def carried(plan: Plan) -> float:
    """The error growth of the plan; that of one block where only the built model tells how many there are."""
    return error_growth(plan.scheme, depth(plan) or 1)


def sentence(plan: Plan, growth: float, blocks: int) -> str:
    """What that many roundings carried through that many blocks mean for the run."""
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
    said = f"error grows to {size} of the activations {over}"
    return f"{said}, which may spoil gradients; use {REMEDY}" if worrying(plan, growth) else said


def worrying(plan: Plan, growth: float) -> bool:
    """Whether that many roundings are too many to train with unwarned."""
    low, high = _errors(plan, growth)
    return low > WORRYING or high > LOST


def wrong(plan: Plan, gradient_error: float | None) -> bool:
    """Whether a gradient with that relative error, if it was measured, is not that of the model."""
    return (
        gradient_error is not None and not gradient_error <= WRONG_GRADIENTS[plan.train.precision]
    )


def worst(plans: Sequence[Plan]) -> Plan | None:
    """The plan of which the reconstruction is predicted to be worst; None if none reconstructs."""
    rebuilt = [plan for plan in plans if predicted(plan)]
    return max(rebuilt, key=lambda plan: _errors(plan, carried(plan)), default=None)


def error_growth(scheme: Scheme, blocks: int) -> float:
    """How many roundings the reconstructed input of that many blocks carries.

    0 where reconstruction is exact, infinite where there is none.
    """
    if isinstance(scheme, Residual) or getattr(scheme, "gamma", 1.0) == 0:
        return math.inf
    if scheme.grid_bits is not None:
        return 0.0
    match scheme:
        case Momentum(gamma=weight) | Bdia(gamma=weight):
            count = sum(weight**-k for k in range(blocks))
        case Leapfrog():
            count = _carried([(-1.0, 2.0)] * blocks)
        case MidpointA():
            mixing = [_mixing(scheme, index) for index in range(blocks)]
            count = _carried([(a, 1.0 - a) for a in mixing])
        case Coefficients():
            count = _on_the_way(scheme, blocks)
        case Additive() | Midpoint() | Hamiltonian():
            count = float(blocks)
    return count


def _carried(weights: Sequence[tuple[float, float]]) -> float:
    """Roundings at the first state, of x₊ = a·x₋ + b·x + … undone by division; weights: a and b of each block."""
    backwards, total = weights[::-1], 0.0
    for block in range(len(backwards)):
        newer, older = 0.0, 1.0
        for a, b in backwards[block + 1 :]:
            newer, older = older, (newer - b * older) / a
        total += abs(older)
    return total


def _on_the_way(scheme: Coefficients, blocks: int) -> float:
    """The most that the moving weights carry anywhere between start and end."""
    end_alpha = scheme.alpha if scheme.end_alpha is None else scheme.end_alpha
    end_beta = scheme.beta if scheme.end_beta is None else scheme.end_beta
    found = []
    for point in range(21):
        alpha = scheme.alpha + (end_alpha - scheme.alpha) * point / 20
        beta = scheme.beta + (end_beta - scheme.beta) * point / 20
        if beta:
            found.append(_carried([(beta, alpha)] * min(blocks, _undone_in_a_row(alpha, beta))))
    return max(found, default=math.inf)


def _undone_in_a_row(alpha: float, beta: float) -> int:
    """Blocks until a rounding has grown five hundredfold, where states are set aside; 0 for fewer than two."""
    roots = (alpha + sign * cmath.sqrt(alpha * alpha + 4 * beta) for sign in (1, -1))
    smaller = min(abs(root) / 2 for root in roots)
    if smaller >= 1:
        return 1_000_000
    blocks = int(math.log(500) / -math.log(smaller)) if smaller else 0
    return blocks if blocks > 1 else 0


def _mixing(scheme: MidpointA, index: int) -> float:
    """The a that midpoint_a draws for a block."""
    source = random.Random(f"midpoint_a {scheme.draw} {index}")
    sign = source.choice((-1, 1))
    return round(64 * (sign + source.uniform(-scheme.spread, scheme.spread))) / 64


def _errors(plan: Plan, growth: float) -> tuple[float, float]:
    """The relative error to expect, and the one at which roundings of the branches carry as well."""
    return growth * ROUNDING["float32"], growth * ROUNDING[plan.train.precision]
