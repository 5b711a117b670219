"""Sections of the optimisers."""

from typing import Literal

from pydantic import Field

from revconsole.records.sections.section import Section


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=100)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.05, ge=0, le=10)
    """Decay of weights; biases, norms, tokens and positions are spared."""


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
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    """L2 penalty, added to the gradient."""
