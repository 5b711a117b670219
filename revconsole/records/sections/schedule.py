"""Sections of the learning-rate schedules."""

from typing import Annotated, Literal

from pydantic import Field

from revconsole.records.sections.section import Section


class WarmUp(Section):
    """A schedule that begins with a warm-up."""

    name: str
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise to the peak."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Optimiser steps of linear rise instead; unset counts epochs."""


class Constant(WarmUp):
    """A constant learning rate after the warm-up."""

    name: Literal["constant"] = "constant"


class Cosine(WarmUp):
    """Half a cosine from the peak to `final` times the peak, after the warm-up."""

    name: Literal["cosine"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)
    """Last learning rate as a fraction of the peak."""


class StepSchedule(WarmUp):
    """Multiply by `factor` every `every_epochs` epochs."""

    name: Literal["step"] = "step"
    every_epochs: int = Field(default=30, ge=1)
    """Epochs between two steps."""
    factor: float = Field(default=0.1, gt=0, le=1)
    """What the learning rate is multiplied by."""


class Exponential(WarmUp):
    """Multiply by `factor` every epoch."""

    name: Literal["exponential"] = "exponential"
    factor: float = Field(default=0.95, gt=0, le=1)
    """What the learning rate is multiplied by each epoch."""


class OneCycle(Section):
    """Rise and fall along half cosines, over the whole run (Smith & Topin 2018, as torch has it)."""

    name: Literal["one-cycle"] = "one-cycle"
    rise: float = Field(default=0.3, gt=0, lt=1)
    """Share of the steps until the peak."""
    start: float = Field(default=0.04, gt=0, le=1)
    """First learning rate as a fraction of the peak."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Last learning rate as a fraction of the peak."""


Schedule = Annotated[
    Constant
    | Cosine
    | StepSchedule
    | Exponential
    | OneCycle,
    Field(discriminator="name"),
]  # fmt: skip
