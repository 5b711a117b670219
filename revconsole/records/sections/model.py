"""Sections of the architectures, one class each."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from revconsole.records.sections.rule import Rule
from revconsole.records.sections.section import Section

LARGEST_GAMMA = 1e6
ON_HUB = "hf-hub:"
"""Beginning of the name of a repository of the Hugging Face hub."""
HUB = re.compile(r"^(hf[-_]hub:)?timm/(?=[^/]+$)")
"""Prefix of the names of timm's models on the Hugging Face hub."""
NORM_EPS = Field(default=None, ge=0, le=1, examples=[1e-12, 1e-6])


def _absolute(weights: str | None) -> str | None:
    """An absolute path, because the run may continue in a process with another working folder."""
    if weights is None or weights.startswith(ON_HUB):
        return weights
    return str(Path(weights).expanduser().absolute())


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
    mlp_width: int | None = Field(default=None, ge=1, le=131_072)
    """Width of the MLP as a number, in place of mlp_ratio."""
    stem: Literal["linear", "conv", "shifted", "resnet"] = "linear"
    """How patches become tokens: one matrix, early convolutions, shifted copies (SPT) or residual convolutions (hybrid)."""
    attention: Literal["softmax", "local", "softmax_free", "linear"] = "softmax"
    """What mixes tokens: softmax, LSA (own temperature, no token sees itself), SOFT's Gaussian kernel, or ELU + 1 in linear time."""
    landmarks: int | None = Field(default=None, ge=1, le=4096)
    """With softmax_free: landmarks that stand for all tokens, in time linear in them; unset computes all pairs."""
    token_merging: int = Field(default=0, ge=0, le=4096)
    """Tokens that each block merges into like ones (ToMe), half of them at most; not reversible."""
    layer_scale: float | None = Field(default=None, gt=0, le=1)
    """LayerScale: what the trained factor of each channel of a branch starts from; unset has none."""
    final_norm: bool = True
    """A norm between the last block and the head."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping an activation: after the embedding, the attention and the MLP."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""
    pool: Literal["cls", "mean", "sequence"] = "cls"
    """What the head reads: a class token, the mean of the patches, or their mean by learned weights (CCT)."""
    position: Literal["learned", "sinusoidal", "none"] = "learned"
    """Position embedding: trained, fixed two-dimensional sines (dim a multiple of 4), or none."""
    pretrained: str | None = Field(default=None, max_length=200, examples=["run:k7w2mq9x"])
    """Start from the encoder of a run of this store, at its best epoch: run:ID; the head is re-initialised."""
    pretrained_sha256: str | None = Field(default=None, max_length=64, examples=["4be1…"])
    """Hash of that run's last weights; recorded when the run is planned and required before it trains."""
    weights: str | None = Field(default=None, min_length=1, examples=["vit.safetensors"])
    """Start from this file (.safetensors, .pth, Google's .npz), folder or hf-hub:OWNER/NAME in the local cache instead."""
    norm_eps: float | None = NORM_EPS
    """What a LayerNorm adds to the variance; unset is timm's 1e-6."""

    _absolute = field_validator("weights")(_absolute)


class TimmModel(Section):
    """Any architecture of the timm library by name, sized for the images of the run."""

    architecture: Literal["timm"] = "timm"
    name: str = Field(
        default="vit_tiny_patch16_224", min_length=1, max_length=200,
        examples=["vit_base_patch16_224", "resnet50"],
    )  # fmt: skip
    """A name that `timm.create_model` knows, e.g. vit_base_patch16_224."""
    patch: int | None = Field(default=None, ge=1, le=256)
    """Patch side in pixels, where the architecture has one; unset keeps the model's own."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in front of the head."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth, where the architecture has it."""
    norm_eps: float | None = NORM_EPS
    """What each LayerNorm adds to the variance; unset is the model's own, 1e-6 in a vision transformer."""
    pretrained: bool | str = Field(default=False, examples=[False, True, "run:k7w2mq9x"])
    """Start from timm's published weights (needs the network, or them in the local hub cache), or from a run: run:ID."""
    pretrained_sha256: str | None = Field(default=None, max_length=64, examples=["4be1…"])
    """Hash of that run's last weights; recorded when the run is planned and required before it trains."""
    weights: str | None = Field(default=None, min_length=1, examples=["vit.safetensors"])
    """Start from this file (.safetensors, .pth, Google's .npz), folder or hf-hub:OWNER/NAME in the local cache instead."""

    @field_validator("name")
    @classmethod
    def _without_hub(cls, name: str) -> str:
        """The name without the hub's prefix, hf-hub:timm/NAME."""
        return HUB.sub("", name)

    _absolute = field_validator("weights")(_absolute)


class Resnet(Section):
    """A residual network of convolutions (He et al. 2016), timm's."""

    architecture: Literal["resnet"] = "resnet"
    layers: Literal[18, 34, 50] = 18
    """Layers with weights: 18 and 34 of basic blocks, 50 of bottlenecks."""
    stem: Literal["imagenet", "cifar"] = "imagenet"
    """First layers: 7×7 and a pool, a quarter of the side; or 3×3, for images of 32 pixels."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block, rising linearly from 0."""


class Cnn(Section):
    """Three 5×5 convolutions of 32, 64 and 64 channels with pooling, and a layer of 1000."""

    architecture: Literal["cnn"] = "cnn"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping one of the 1000 numbers that the head reads."""
    batch_norm: bool = False
    """A batch norm after each convolution."""


class Mlp(Section):
    """Fully connected layers with tanh between them, also with its gradient written by hand."""

    architecture: Literal["mlp"] = "mlp"
    width: int = Field(default=100, ge=1, le=65_536)
    """Width of a hidden layer."""
    depth: int = Field(default=1, ge=1, le=64)
    """Number of hidden layers."""
    gradients: Literal["autograd", "by_hand"] = "autograd"
    """Source of the gradient: torch's autograd, or the chain rule written out by hand; the numbers are the same."""


class Svm(Section):
    """A support vector machine on the pixels in a row, scikit-learn's: fitted pair by pair of classes, not by gradients."""

    architecture: Literal["svm"] = "svm"
    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    """What compares two images: exp(−gamma·|x − y|²), x·y, or (gamma·x·y) to the power of degree."""
    C: float = Field(default=1.0, gt=0, le=1e6)
    """What an image on the wrong side of its margin costs; the smaller, the smoother the boundary."""
    gamma: Literal["scale"] | float = Field(default="scale", examples=["scale", 0.1])
    """Coefficient of the kernels rbf and poly; "scale" is 1 / (numbers of an image · variance of all of them in training)."""
    degree: int = Field(default=3, ge=1, le=20)
    """Power of the kernel poly."""

    @field_validator("gamma", mode="before")
    @classmethod
    def _scale_or_number(cls, gamma: Any) -> Any:
        """Check both alternatives at once, so that the user gets one sentence instead of one for each."""
        number = isinstance(gamma, int | float) and not isinstance(gamma, bool)
        if gamma == "scale" or (number and 0 < gamma <= LARGEST_GAMMA):
            return gamma
        raise Rule("model.gamma", f'should be "scale" or a number above 0, not {gamma!r}')


class Swin(Section):
    """A transformer of shifted windows in stages (Liu et al. 2021), timm's."""

    architecture: Literal["swin"] = "swin"
    variant: Literal["tiny", "small", "mini"] = "mini"
    """tiny and small are the paper's, for 224 pixels; mini has windows of 4 and patches of 2, for 32 pixels."""
    drop_path: float = Field(default=0.1, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""


class Cct(Section):
    """A compact convolutional transformer (Hassani et al. 2021): convolutions make the tokens."""

    architecture: Literal["cct"] = "cct"
    convolutions: int = Field(default=2, ge=1, le=4)
    """Convolutions in the stem, each with a pool that halves the side: CCT-2/3x2 has 2."""
    kernel: int = Field(default=3, ge=1, le=7)
    """Side of those convolutions, an odd number: CCT-2/3x2 has 3."""
    dim: int = Field(default=128, ge=4, le=8192)
    """Width of a token; must be a multiple of heads."""
    depth: int = Field(default=2, ge=1, le=256)
    """Number of blocks: CCT-2/3x2 has 2."""
    heads: int = Field(default=2, ge=1, le=256)
    """Attention heads per block."""
    mlp_ratio: float = Field(default=1.0, gt=0, le=16)
    """Width of the MLP as a multiple of dim."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping an activation: after the embedding, the attention and the MLP."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""
    position: Literal["learned", "sinusoidal", "none"] = "learned"
    """Position embedding: trained, fixed two-dimensional sines (dim a multiple of 4), or none."""


class Conformer(Section):
    """Convolutions and a transformer side by side, coupled in every block (Peng et al. 2021), small."""

    architecture: Literal["conformer"] = "conformer"
    patch: int = Field(default=4, ge=2, le=256)
    """Side of a square patch of the transformer, in pixels; even, and must divide the image side."""
    dim: int = Field(default=96, ge=4, le=8192)
    """Width of a token; must be a multiple of heads."""
    channels: int = Field(default=64, ge=4, le=8192)
    """Channels of the convolutions; a multiple of 4."""
    depth: int = Field(default=4, ge=1, le=256)
    """Number of blocks, each of both kinds."""
    heads: int = Field(default=3, ge=1, le=256)
    """Attention heads per block."""
    mlp_ratio: float = Field(default=4.0, gt=0, le=16)
    """Width of the MLP as a multiple of dim."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""


class Uniformer(Section):
    """Local convolutional blocks, then global attention blocks (after UniFormer, Li et al. 2022)."""

    architecture: Literal["uniformer"] = "uniformer"
    patch: int = Field(default=2, ge=1, le=64)
    """Side of a square patch of the first stage, in pixels; twice as much must divide the image side."""
    dim: int = Field(default=64, ge=4, le=4096)
    """Channels of the first stage; the second has twice as many, a multiple of heads."""
    local_depth: int = Field(default=3, ge=1, le=128)
    """Blocks of the first stage, which mix neighbours by 5×5 convolutions."""
    depth: int = Field(default=3, ge=1, le=128)
    """Blocks of the second stage, which mix everything by attention."""
    heads: int = Field(default=4, ge=1, le=256)
    """Attention heads per block of the second stage."""
    mlp_ratio: float = Field(default=4.0, gt=0, le=16)
    """Width of the MLP as a multiple of the channels."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Stochastic depth: probability of skipping the last block's branches, rising linearly from 0."""


class Python(Section):
    """A model of your own: what a function of yours returns."""

    architecture: Literal["python"] = "python"
    function: str | None = Field(default=None, max_length=300, examples=["mymodel:build"])
    """Address of the function, as package.module:function; it may ask for size, channels and classes by these names."""


Model = Annotated[
    Vit
    | TimmModel
    | Cct
    | Conformer
    | Uniformer
    | Swin
    | Resnet
    | Cnn
    | Mlp
    | Svm
    | Python,
    Field(discriminator="architecture"),
]  # fmt: skip
