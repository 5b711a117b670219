"""Growth: how far rounding grows while a stack is undone, foretold from the settings alone, in words.

The growth of a scheme (see `revconsole.arithmetic`) times the rounding of the arithmetic is the relative error to expect;
steep blocks add their own slope. Under autocast the streams may stay as good as in float32 for a while, until
differences in the last place flip roundings inside the branches; so there the prediction is a range. `refuse_lost`
applies the rule on what may be foretold at most to a plan, before there is a run.
"""

from collections.abc import Sequence

from revconsole import arithmetic
from revconsole.records.sections import Scheme
from revconsole.records.sections.model import Cct, Vit
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.scheme import ResidualSection
from revconsole.records.settings.plan import Plan

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
    words = sentence(plan, carried(plan), blocks or 1)
    return f"with every block reversed, {words}" if plan.backward == "auto" else words


def depth(plan: Plan) -> int | None:
    """Number of blocks of the deepest stack; None if only the built model tells."""
    return plan.model.depth if isinstance(plan.model, Vit | Cct) else None


def carried(plan: Plan) -> float:
    """The error growth of the plan; for one block if the depth is unknown before the model is built."""
    return plan.scheme.error_growth(depth(plan) or 1)


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
        else f"{prediction}; gradients may suffer from {WORRYING:.0e} on"
    )


def worrying(plan: Plan, growth: float) -> bool:
    """Whether this error growth requires a warning."""
    low, high = _errors(plan, growth)
    return low > WORRYING or high > LOST


def refuse_lost(plan: Plan) -> None:
    """Raise Rule if the backward could not reconstruct in the plan's precision; an unknown depth is checked when built."""
    blocks = depth(plan)
    if plan.backward != "reversible" or blocks is None:
        return
    precision = plan.train.precision
    error, most = (
        foretold(plan.scheme, blocks, precision),
        arithmetic.limit(arithmetic.ROUNDING[precision]),
    )
    if error > most:
        single = arithmetic.limit(arithmetic.SINGLE)
        finer = precision != "float32" and foretold(plan.scheme, blocks, "float32") <= single
        others = ", train.precision = 'float32'" if finer else ""
        raise Rule(
            "scheme.grid_bits",
            f"float {plan.scheme.name} loses its activations over {blocks} blocks in {precision}, by "
            f"{min(error, 1.0):.2%} ({most:.2%} at most); set grid_bits = 9 for exact reconstruction{others}, "
            "or backward 'checkpointed'",
        )


def foretold(scheme: Scheme, blocks: int, precision: str) -> float:
    """The relative error of the activations once that many blocks are undone, with streams in float32."""
    return arithmetic.foretold(
        scheme.error_growth,
        blocks,
        streams=arithmetic.SINGLE,
        branches=arithmetic.ROUNDING[precision],
    )


def wrong(plan: Plan, gradient_error: float | None) -> bool:
    """Whether a measured relative gradient error exceeds the limit for the plan's precision."""
    return (
        gradient_error is not None and not gradient_error <= WRONG_GRADIENTS[plan.train.precision]
    )


def worst(plans: Sequence[Plan]) -> Plan | None:
    """The plan with the worst predicted reconstruction; None if none reconstructs."""
    rebuilt = [plan for plan in plans if predicted(plan)]
    return max(rebuilt, key=lambda plan: _errors(plan, carried(plan)), default=None)


def _errors(plan: Plan, growth: float) -> tuple[float, float]:
    """(error if only the streams round in float32, error if the branches' precision rounds them too)."""
    return growth * arithmetic.SINGLE, growth * arithmetic.ROUNDING[plan.train.precision]
