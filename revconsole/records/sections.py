"""Sections of a profile, one class each: everything a user can set, its range, its default, its meaning.

The string under each field is its documentation: `--help`, the launch form and `revconsole show` print it.
Sections with several kinds (`model`, `scheme`, `optimizer`, `schedule`) are told apart by one key, so a
setting exists only where it means something: there is no gamma beside `name = "residual"`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Backward = Literal["stored", "checkpointed", "reversible", "auto"]
GRID_BITS = Field(default=None, ge=1, le=20)


class Section(BaseModel):
    """A frozen table of a profile: unknown keys are errors, numbers are not guessed from text."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


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


class Residual(Section):
    """x ← x + h(x): the plain network; has no inverse."""

    name: Literal["residual"] = "residual"


class Additive(Section):
    """x₁ ← x₁ + F(x₂), x₂ ← x₂ + G(x₁): two streams, RevViT (Mangalam et al. 2022)."""

    name: Literal["additive"] = "additive"
    fuse: Literal["concat", "mean"] = "concat"
    """How the two streams meet before the head: side by side (head twice as wide) or averaged."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class Momentum(Section):
    """v ← γv + (1−γ)h(x), x ← x + v: Momentum ResNet (Sander et al. 2021)."""

    name: Literal["momentum"] = "momentum"
    gamma: float = Field(default=0.9, ge=0, lt=1)
    """Share of the velocity kept per block; the inverse divides by it once per block."""
    start: Literal["zero", "first"] = "zero"
    """Initial velocity: zero, or the first block's residual f₀(x₀)."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ and a store of the bits that gamma drops; unset is float."""


class Bdia(Section):
    """x₊ ← γx₋ + (1−γ)x + (1+γ)h(x), γ = ±g per sample and block (Zhang et al. 2025)."""

    name: Literal["bdia"] = "bdia"
    gamma: float = Field(default=0.5, ge=0, le=1)
    """Size g of the random ±g; evaluation uses 0, the plain network."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit; 9 is the paper's; unset is float."""


class Midpoint(Section):
    """x₊ ← x₋ + 2h·f(x): the explicit midpoint rule (Chang et al. 2018)."""

    name: Literal["midpoint"] = "midpoint"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h; half of it makes the two states move like a plain network of the same depth."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class Leapfrog(Section):
    """x₊ ← 2x − x₋ + h²·f(x): the leapfrog rule of second order (Chang et al. 2018)."""

    name: Literal["leapfrog"] = "leapfrog"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h; the residual enters with its square."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class Hamiltonian(Section):
    """q ← q + h·A(p), p ← p + h·M(q): attention and MLP as the two halves (Gal et al. 2025)."""

    name: Literal["hamiltonian"] = "hamiltonian"
    step: float = Field(default=1.0, gt=0, le=4)
    """Step size h."""
    grid_bits: int | None = GRID_BITS
    """Exact mode: streams on the grid 2⁻ˡ, reconstructed bit for bit at no cost in memory; unset is float."""


class MidpointA(Section):
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


class Coefficients(Section):
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


class Data(Section):
    """Which images, how they are split, and what is done to them."""

    dataset: str = "digits"
    """Name of the dataset; `revconsole data` lists them."""
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the training images held out to choose the best epoch."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of that split, apart from the run's seed: all seeds of a study share one split."""
    train_limit: int | None = Field(default=None, ge=1)
    """Take this many of the training images only, held-out ones included; for quick runs."""
    augment: Literal["none", "crop", "crop-flip"] = "none"
    """Per-sample random augmentation of the training images."""
    crop_padding: int = Field(default=4, ge=1, le=64)
    """Pixels of border added before a random crop."""
    standardise: bool = True
    """Subtract the mean and divide by the deviation of each channel of the training split."""
    image_size: int | None = Field(default=None, ge=4, le=1024)
    """Resize the images to this side, in pixels; unset keeps the dataset's own."""
    fingerprint: str | None = Field(default=None, min_length=12, max_length=64)
    """Refuse to train unless the data's fingerprint starts so: two people, the same images."""


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


class Constant(Section):
    """The same learning rate throughout, after the warm-up."""

    name: Literal["constant"] = "constant"
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise to the peak."""


class Cosine(Section):
    """Half a cosine from the peak to `final` times the peak, after the warm-up."""

    name: Literal["cosine"] = "cosine"
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise to the peak."""
    final: float = Field(default=0.0, ge=0, le=1)
    """Last learning rate as a fraction of the peak."""


class Step(Section):
    """Multiply by `factor` every `every_epochs` epochs."""

    name: Literal["step"] = "step"
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise to the peak."""
    every_epochs: int = Field(default=30, ge=1)
    """Epochs between two steps."""
    factor: float = Field(default=0.1, gt=0, le=1)
    """What the learning rate is multiplied by."""


class Exponential(Section):
    """Multiply by `factor` every epoch."""

    name: Literal["exponential"] = "exponential"
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise to the peak."""
    factor: float = Field(default=0.95, gt=0, le=1)
    """What the learning rate is multiplied by each epoch."""


class Train(Section):
    """How long, how many at once, how precisely, and where."""

    epochs: int = Field(default=10, ge=1, le=100_000)
    """Passes over the training images."""
    batch: int = Field(default=128, ge=1, le=1_048_576)
    """Images per optimiser step, over all micro-batches."""
    accumulate: int = Field(default=1, ge=1, le=65_536)
    """Micro-batches per optimiser step; must divide batch."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; unset does not clip."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread evenly over all classes."""
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    """Arithmetic of the branches; bf16 and fp16 run under autocast, fp16 with a loss scaler."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """Where to train: auto takes cuda, then mps, then cpu."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads for the arithmetic; unset leaves torch's choice, which the run records."""
    budget_mib: int | None = Field(default=None, ge=1)
    """With backward auto: what the blocks may keep for the backward pass, in MiB; unset takes 70 % of what is free."""
    overlap: bool = False
    """Rebuild each block beside the gradient of the one above, on two CUDA streams; holds two blocks at once."""
    audit: bool = True
    """Check the model on one batch before training (own pixels, gradients); a failed check warns."""
    probe_epochs: int = Field(default=1, ge=0)
    """Epochs between two measurements of the reconstruction's and gradients' error; 0 measures none."""
    checkpoint_epochs: int = Field(default=1, ge=1)
    """Epochs between two checkpoints; the best validation epoch is always kept."""
    checkpoint_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between two checkpoints, also within an epoch; unset counts epochs only."""
    checkpoint_minutes: float | None = Field(default=None, gt=0)
    """Minutes between two checkpoints, also within an epoch; unset counts epochs and steps only."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many of the newest are kept besides the best: if one is damaged, the one before it leads to the same."""
    on_oom: Literal["fail", "shrink"] = "fail"
    """When memory runs out: fail, with what would fit; shrink goes on with smaller micro-batches of the same batch."""
    deterministic: bool = False
    """Compute the same bits every time on a GPU too: slower, and an operation that cannot ends the run."""


Model = Annotated[Vit | Timm, Field(discriminator="architecture")]
Scheme = Annotated[
    Residual
    | Additive
    | Momentum
    | Bdia
    | Midpoint
    | Leapfrog
    | Hamiltonian
    | MidpointA
    | Coefficients,
    Field(discriminator="name"),
]
Optimizer = Annotated[AdamW | Adam | Sgd, Field(discriminator="name")]
Schedule = Annotated[Constant | Cosine | Step | Exponential, Field(discriminator="name")]

KINDS: dict[str, tuple[str, dict[str, type[Section]]]] = {
    "model": ("architecture", {"vit": Vit, "timm": Timm}),
    "scheme": (
        "name",
        {
            "residual": Residual,
            "additive": Additive,
            "momentum": Momentum,
            "bdia": Bdia,
            "midpoint": Midpoint,
            "leapfrog": Leapfrog,
            "hamiltonian": Hamiltonian,
            "midpoint_a": MidpointA,
            "coefficients": Coefficients,
        },
    ),
    "optimizer": ("name", {"adamw": AdamW, "adam": Adam, "sgd": Sgd}),
    "schedule": (
        "name",
        {"constant": Constant, "cosine": Cosine, "step": Step, "exponential": Exponential},
    ),
}
"""For each section with several kinds: the key that tells them apart, and the kinds."""
