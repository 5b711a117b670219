"""Sections of the architectures."""

from typing import Literal

from pydantic import Field

from revconsole.records.sections.section import Section


class Vit(Section):
    """A vision transformer built on timm's layers (Dosovitskiy et al. 2020)."""

    architecture: Literal["vit"] = "vit"
    patch: int = Field(default=4, ge=1, le=256)
    """Side of a square patch, in pixels; must divide the image side."""
    dim: int = Field(default=192, ge=4, le=8192)
    """Width of a token; must be a multiple of heads."""
    depth: int = Field(default=6, ge=1, le=256)
    """Number of blocks."""
    heads: int = Field(default=3, ge=1, le=256)
    """Attention heads per block."""
    mlp_ratio: float = Field(default=4.0, gt=0, le=16)
    """Width of the MLP as a multiple of dim."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping an activation: after the embedding, the attention and the MLP."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""
    pool: Literal["cls", "mean"] = "cls"
    """What the head reads: a class token or the mean of the patches."""
    position: Literal["learned", "sinusoidal"] = "learned"
    """Position embedding: trained, or fixed two-dimensional sines (dim a multiple of 4)."""


class Timm(Section):
    """Any architecture of the timm library by name, sized for the images of the run."""

    architecture: Literal["timm"] = "timm"
    name: str = Field(default="vit_tiny_patch16_224", min_length=1, max_length=200)
    """A name that `timm.create_model` knows, e.g. vit_base_patch16_224."""
    patch: int | None = Field(default=None, ge=1, le=256)
    """Patch side in pixels, where the architecture has one; unset keeps the model's own."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in front of the head."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth, where the architecture has it."""
    pretrained: bool = False
    """Start from timm's published weights; needs the network, or the weights in the local hub cache."""
    weights: str | None = None
    """Start from this weights file (.pth, .safetensors) instead."""
