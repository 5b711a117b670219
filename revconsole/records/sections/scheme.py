"""Sections of the schemes."""

import math
import re
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from revconsole import arithmetic
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.section import Section

SOURCE = re.compile(r" \([A-Z][^()]*\d{4}\)\.?$")
"""Names and a year at the end of a sentence."""
GRID_BITS = Field(default=None, ge=1, le=20)
PAPER_BITS = Field(default=9, ge=1, le=20)


class SchemeSection(Section):
    """Settings of a scheme, and what follows from them alone, before there is a model."""

    of_two: ClassVar[bool] = False
    """Whether the scheme needs blocks of two branches, attention and MLP."""
    paper: ClassVar[str] = ""
    """Where it is published; empty for the plain network."""

    @classmethod
    def formula(cls) -> str:
        """The update of a block in one line, without what is said of it and where it is published."""
        line = (cls.__doc__ or "").partition("\n")[0].partition(": ")[0]
        return SOURCE.sub("", line)

    @property
    def joins(self) -> bool:
        """Whether the head receives both streams, concatenated."""
        return False

    @property
    def plain_in_evaluation(self) -> bool:
        """Whether the network is evaluated as the plain one of its architecture."""
        return False

    def options(self) -> dict[str, Any]:
        """Arguments of `reversible.make_scheme` for this scheme."""
        return self.model_dump(exclude={"name"})

    @abstractmethod
    def error_growth(self, blocks: int) -> float:
        """How many roundings the reconstructed input of that many blocks carries; see `arithmetic`."""

    def check(self) -> None:
        """Raise Rule for settings that do not fit one another."""

    def check_inverse(self) -> None:
        """Raise Rule if there is no inverse, saying what to use instead."""

    def _check_ratios(self, *names: str) -> None:
        """Raise Rule if exact mode cannot scale by one of these settings."""
        for name in names:
            value = getattr(self, name)
            if value is not None and arithmetic.thousandth(value) is None:
                raise Rule(
                    f"scheme.{name}",
                    f"exact mode takes {name} with at most three decimals, not {value}; "
                    f"write {round(value, 3):g}, or leave grid_bits unset",
                )


def _check_gamma(scheme: str, gamma: float) -> None:
    """Raise Rule for a gamma of 0, by which the inverse would divide."""
    if gamma == 0:
        raise Rule(
            "scheme.gamma",
            f"the inverse of {scheme!r} divides by gamma, so gamma 0 cannot be reversed; "
            "use backward 'stored' or 'checkpointed'",
        )


class ResidualSection(SchemeSection):
    """x ← x + h(x): the plain network; has no inverse."""

    name: Literal["residual"] = "residual"

    @property
    def plain_in_evaluation(self) -> bool:  # noqa: D102  see SchemeSection
        return True

    def error_growth(self, blocks: int) -> float:  # noqa: ARG002, D102  see SchemeSection
        return math.inf

    def check_inverse(self) -> None:  # noqa: D102  see SchemeSection
        raise Rule(
            "backward",
            "scheme 'residual' has no inverse; use backward 'stored', 'checkpointed' or 'auto', "
            "or another scheme",
        )


class AdditiveSection(SchemeSection):
    """x₁ ← x₁ + F(x₂), x₂ ← x₂ + G(x₁): two streams, RevViT (Mangalam et al. 2022)."""

    of_two: ClassVar[bool] = True
    name: Literal["additive"] = "additive"
    paper: ClassVar[str] = "Mangalam et al. 2022, arXiv 2302.04869"
    fuse: Literal["concat", "mean"] = "concat"
    """How the two streams meet before the head: side by side (head twice as wide) or averaged."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""

    @property
    def joins(self) -> bool:  # noqa: D102  see SchemeSection
        return self.fuse == "concat"

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.unamplified(blocks, exact=self.grid_bits is not None)


class MomentumSection(SchemeSection):
    """v ← γv + (1−γ)h(x), x ← x + v: Momentum ResNet (Sander et al. 2021)."""

    name: Literal["momentum"] = "momentum"
    paper: ClassVar[str] = "Sander et al. 2021, arXiv 2102.07870"
    gamma: float = Field(default=0.9, ge=0, lt=1)
    """Share of the velocity kept per block; the inverse divides by it once per block."""
    start: Literal["zero", "first"] = "zero"
    """Initial velocity: zero, or the first block's residual h₀(x₀)."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that gamma drops; unset is float."""

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.momentum(blocks, gamma=self.gamma, exact=self.grid_bits is not None)

    def check(self) -> None:  # noqa: D102  see SchemeSection
        if self.grid_bits is not None:
            self._check_ratios("gamma")

    def check_inverse(self) -> None:  # noqa: D102  see SchemeSection
        _check_gamma(self.name, self.gamma)


class BdiaSection(SchemeSection):
    """x₊ ← γx₋ + (1−γ)x + (1+γ)h(x), γ = ±g per sample and block (Zhang et al. 2025)."""

    name: Literal["bdia"] = "bdia"
    paper: ClassVar[str] = "Zhang et al. 2025, arXiv 2407.09093"
    gamma: float = Field(default=0.5, ge=0, le=1)
    """Size g of the random ±g; evaluation uses 0, the plain network."""
    evaluation_gamma: float = Field(default=0.0, ge=-1, le=1)
    """Gamma of every block in evaluation instead of 0; in exact mode 0 or plus or minus gamma."""
    grid_bits: int | None = PAPER_BITS
    """Streams on the grid 2⁻ˡ, restored bit for bit, at gamma 0.5, 0.25 or 1; 9 is the paper's; "none" is float, at any."""

    @property
    def plain_in_evaluation(self) -> bool:  # noqa: D102  see SchemeSection
        return self.evaluation_gamma == 0

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.bdia(blocks, gamma=self.gamma, exact=self.grid_bits is not None)

    def check(self) -> None:
        """Raise Rule if exact mode cannot scale by gamma, or the evaluation gamma is another size than gamma."""
        if self.grid_bits is None or not self.gamma:
            return
        if self.gamma not in arithmetic.LOST_BITS:
            raise Rule(
                "scheme.gamma",
                f"bdia is exact at gamma 0.5 (1 side bit), 0.25 (2 bits) or 1 (none), not {self.gamma}; "
                'or compute in floats, with scheme.grid_bits = "none"',
            )
        if abs(self.evaluation_gamma) not in {0.0, self.gamma}:
            raise Rule(
                "scheme.evaluation_gamma",
                f"exact bdia evaluates at 0 or ±{self.gamma:g}, not {self.evaluation_gamma:g}; "
                'or compute in floats, with scheme.grid_bits = "none"',
            )

    def check_inverse(self) -> None:  # noqa: D102  see SchemeSection
        _check_gamma(self.name, self.gamma)


class MidpointSection(SchemeSection):
    """x₊ ← x₋ + 2s·h(x): the explicit midpoint rule (Chang et al. 2018)."""

    name: Literal["midpoint"] = "midpoint"
    paper: ClassVar[str] = "Chang et al. 2018, arXiv 1709.03698"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size s; half of it makes the two states move like a plain network of the same depth."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.midpoint(blocks, step=self.step, exact=self.grid_bits is not None)


class LeapfrogSection(SchemeSection):
    """x₊ ← 2x − x₋ + s²·h(x): the leapfrog rule of second order (Chang et al. 2018)."""

    name: Literal["leapfrog"] = "leapfrog"
    paper: ClassVar[str] = "Chang et al. 2018, arXiv 1709.03698"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size s; the residual enters with its square."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.leapfrog(blocks, step=self.step, exact=self.grid_bits is not None)


class HamiltonianSection(SchemeSection):
    """q ← q + s·A(p), p ← p + s·M(q): attention and MLP as the two halves (Gal et al. 2025)."""

    of_two: ClassVar[bool] = True
    name: Literal["hamiltonian"] = "hamiltonian"
    paper: ClassVar[str] = "Gal et al. 2025, arXiv 2512.02056"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size s."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.unamplified(blocks, exact=self.grid_bits is not None)


class MidpointASection(SchemeSection):
    """x₊ ← a·x₋ + (1−a)·x + s·h(x), a drawn once per block (Gal et al. 2025)."""

    name: Literal["midpoint_a"] = "midpoint_a"
    paper: ClassVar[str] = "Gal et al. 2025, arXiv 2512.02056"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size s."""
    spread: float = Field(default=0.5, ge=0, le=0.9)
    """Each a is ±1 plus a number drawn evenly from ±spread."""
    draw: int = Field(default=0, ge=0)
    """Seed of the a's, independent of the run's seed, so that all seeds train one network."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that a drops; unset is float."""

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        return arithmetic.midpoint_a(
            blocks,
            step=self.step,
            spread=self.spread,
            draw=self.draw,
            exact=self.grid_bits is not None,
        )


class CoefficientsSection(SchemeSection):
    """x₊ ← β·x₋ + α·x + h(x): from the pretrained network to a reversible one (Dr2Net, MEFT)."""

    name: Literal["coefficients"] = "coefficients"
    paper: ClassVar[str] = "Zhao et al. 2024, arXiv 2401.04105; Liao et al. 2023, arXiv 2306.00477"
    alpha: float = Field(default=1.0, ge=-2, le=2)
    """Weight α of the block's input at the start; with beta 0, 1 is the pretrained network."""
    beta: float = Field(default=0.0, ge=-2, le=2)
    """Weight β of the state before that at the start; the inverse divides by it."""
    end_alpha: float | None = Field(default=0.3, ge=-2, le=2)
    """Value of α at the end of `moving`; unset keeps α."""
    end_beta: float | None = Field(default=0.7, ge=-2, le=2)
    """Value of β at the end of `moving`; unset keeps β."""
    moving: float = Field(default=0.5, gt=0, le=1)
    """Share of the training steps over which the weights move, in a straight line."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that β drops; unset is float."""

    def options(self) -> dict[str, Any]:
        """Arguments of the scheme; how fast the weights move is a setting of the training."""
        return self.model_dump(exclude={"name", "moving"})

    def error_growth(self, blocks: int) -> float:  # noqa: D102  see SchemeSection
        start = (self.alpha, self.beta)
        ends = zip(start, (self.end_alpha, self.end_beta), strict=True)
        alpha, beta = (first if last is None else last for first, last in ends)
        return arithmetic.coefficients(
            blocks, start=start, end=(alpha, beta), exact=self.grid_bits is not None
        )

    def check(self) -> None:  # noqa: D102  see SchemeSection
        if self.grid_bits is not None:
            self._check_ratios("beta", "end_beta")

    def check_inverse(self) -> None:  # noqa: D102  see SchemeSection
        key = "beta" if self.end_beta is None else "end_beta"
        if getattr(self, key) == 0:
            raise Rule(
                f"scheme.{key}",
                "coefficients whose beta ends at 0 forget the older state and have no inverse; let end_beta be "
                "0.7, say, or use backward 'stored' or 'checkpointed'",
            )


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
