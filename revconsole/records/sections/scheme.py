"""Sections of the schemes."""

from typing import Annotated, Literal

from pydantic import Field

from revconsole.records.sections.section import Section

GRID_BITS = Field(default=None, ge=1, le=20)
PAPER_BITS = Field(default=9, ge=1, le=20)


class ResidualSection(Section):
    """x ← x + h(x): the plain network; has no inverse."""

    name: Literal["residual"] = "residual"


class AdditiveSection(Section):
    """x₁ ← x₁ + F(x₂), x₂ ← x₂ + G(x₁): two streams, RevViT (Mangalam et al. 2022)."""

    name: Literal["additive"] = "additive"
    fuse: Literal["concat", "mean"] = "concat"
    """How the two streams meet before the head: side by side (head twice as wide) or averaged."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class MomentumSection(Section):
    """v ← γv + (1−γ)h(x), x ← x + v: Momentum ResNet (Sander et al. 2021)."""

    name: Literal["momentum"] = "momentum"
    gamma: float = Field(default=0.9, ge=0, lt=1)
    """Share of the velocity kept per block; the inverse divides by it once per block."""
    start: Literal["zero", "first"] = "zero"
    """Initial velocity: zero, or the first block's residual f₀(x₀)."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that gamma drops; unset is float."""


class BdiaSection(Section):
    """x₊ ← γx₋ + (1−γ)x + (1+γ)h(x), γ = ±g per sample and block (Zhang et al. 2025)."""

    name: Literal["bdia"] = "bdia"
    gamma: float = Field(default=0.5, ge=0, le=1)
    """Size g of the random ±g; evaluation uses 0, the plain network."""
    evaluation_gamma: float = Field(default=0.0, ge=-1, le=1)
    """Gamma of every block in evaluation instead of 0; in exact mode 0 or plus or minus gamma."""
    grid_bits: int | None = PAPER_BITS
    """Streams on the grid 2⁻ˡ, restored bit for bit, at gamma 0.5, 0.25 or 1; 9 is the paper's; "none" is float, at any."""


class MidpointSection(Section):
    """x₊ ← x₋ + 2h·f(x): the explicit midpoint rule (Chang et al. 2018)."""

    name: Literal["midpoint"] = "midpoint"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h; half of it makes the two states move like a plain network of the same depth."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class LeapfrogSection(Section):
    """x₊ ← 2x − x₋ + h²·f(x): the leapfrog rule of second order (Chang et al. 2018)."""

    name: Literal["leapfrog"] = "leapfrog"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h; the residual enters with its square."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class HamiltonianSection(Section):
    """q ← q + h·A(p), p ← p + h·M(q): attention and MLP as the two halves (Gal et al. 2025)."""

    name: Literal["hamiltonian"] = "hamiltonian"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class MidpointASection(Section):
    """x₊ ← a·x₋ + (1−a)·x + h·f(x), a drawn once per block (Gal et al. 2025)."""

    name: Literal["midpoint_a"] = "midpoint_a"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h."""
    spread: float = Field(default=0.5, ge=0, le=0.9)
    """Each a is ±1 plus a number drawn evenly from ±spread."""
    draw: int = Field(default=0, ge=0)
    """Which draw of the a's; apart from the run's seed, so that all seeds train one network."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that a drops; unset is float."""


class CoefficientsSection(Section):
    """x₊ ← β·x₋ + α·x + f(x): from the pretrained network to a reversible one (Dr2Net, MEFT)."""

    name: Literal["coefficients"] = "coefficients"
    alpha: float = Field(default=1.0, ge=-2, le=2)
    """Weight α of the block's input at the start; with beta 0, 1 is the pretrained network."""
    beta: float = Field(default=0.0, ge=-2, le=2)
    """Weight β of the state before that at the start; the inverse divides by it."""
    end_alpha: float | None = Field(default=0.3, ge=-2, le=2)
    """Where α has moved to by the end of `moving`; unset stays."""
    end_beta: float | None = Field(default=0.7, ge=-2, le=2)
    """Where β has moved to by the end of `moving`; unset stays."""
    moving: float = Field(default=0.5, gt=0, le=1)
    """Share of the training steps over which the weights move, in a straight line."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that β drops; unset is float."""


Scheme = Annotated[
    ResidualSection
    | AdditiveSection
    | MomentumSection
    | BdiaSection
    | MidpointSection
    | LeapfrogSection
    | HamiltonianSection
    | MidpointASection
    | CoefficientsSection,
    Field(discriminator="name"),
]
