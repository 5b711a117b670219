"""Sections of the optimisers."""

from typing import Annotated, Literal

from pydantic import Field

from revconsole.records.sections.section import Section

LAYER_DECAY = Field(default=None, gt=0, le=1)


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.05, ge=0, le=10)
    """Decay of weights; biases, norms, tokens and positions are spared."""
    layer_decay: float | None = LAYER_DECAY
    """Multiply the learning rate by this for every layer below the head (fine-tuning); unset treats all alike."""


class Adam(Section):
    """Adam (Kingma & Ba 2015)."""

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    """L2 penalty, added to the gradient."""


class Sgd(Section):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.1, gt=0, le=100)
    """Peak learning rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of the optimiser; no relation to the scheme `momentum`."""
    nesterov: bool = False
    """Look ahead along the momentum (Nesterov 1983; Sutskever et al. 2013)."""
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    """L2 penalty, added to the gradient."""


class TimmOptimizer(Section):
    """Any optimiser of the timm library by name: LAMB, LION, Adan, …"""

    name: Literal["timm"] = "timm"
    algorithm: str = Field(default="lamb", min_length=1, max_length=60, examples=["lamb", "lion"])
    """A name that `timm.optim.list_optimizers` knows."""
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.05, ge=0, le=10)
    """Decay as the algorithm has it; biases, norms, tokens and positions are spared."""
    layer_decay: float | None = LAYER_DECAY
    """Multiply the learning rate by this for every layer below the head (fine-tuning); unset treats all alike."""


Optimizer = Annotated[
    AdamW
    | Adam
    | Sgd
    | TimmOptimizer,
    Field(discriminator="name"),
]  # fmt: skip
