"""Shape: what is known of a network from its settings alone, without building it."""

import re
from dataclasses import dataclass
from typing import Literal

from revconsole.records.sections.model import (
    Cct,
    Cnn,
    Conformer,
    Resnet,
    Swin,
    TimmModel,
    Uniformer,
    Vit,
)
from revconsole.records.settings.model_rules import has_batch_norm
from revconsole.records.settings.plan import Plan

Kind = Literal["transformer", "convolutions", "other"]
PLAIN = re.compile(r"(vit|deit|deit3|beit|beitv2|eva|eva02|cait)_")
"""Beginning of timm's names of transformers in which every patch attends to every other."""
TRANSFORMERS = re.compile(
    r"(vit|deit|deit3|beit|beitv2|eva|eva02|cait|swin|swinv2|xcit|pit|twins|tnt|crossvit|pvt|mvitv2|hiera|davit|gcvit)_"
)
NORMED = re.compile(
    r"(tf_)?(resnet|resnext|wide_resnet|seresnet|seresnext|ecaresnet|resnest|res2net|efficientnet|efficientnetv2|mobilenet|"
    r"mobilenetv\d|mnasnet|regnet|densenet|inception|xception|rexnet|ghostnet|repvgg|mixnet|fbnet|hrnet|dla|dpn|levit)[\w]*"
)
"""Timm's names of networks with a BatchNorm."""
OTHER_NORM = re.compile(r"_(gn|evos|frn|bit)\b|resnetv2|evonorm")
SIZES = {"tiny": 5.7e6, "small": 22e6, "base": 86e6, "large": 304e6, "huge": 632e6}
"""Parameters of the ViTs of these names (Dosovitskiy et al. 2020, Touvron et al. 2021)."""
SWIN = {"tiny": 27.5e6, "small": 48.8e6, "mini": 9e6}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """Facts of a network; None where the settings do not tell.

    tokens: patches in attention with one another. quadratic: whether attention forms all pairs. parameters: roughly.
    batch_norm: whether it has a norm over the batch. own_side: of the images that published weights are for.
    """

    kind: Kind = "other"
    depth: int | None = None
    dim: int | None = None
    heads: int | None = None
    patch: int | None = None
    tokens: int | None = None
    quadratic: bool = True
    parameters: float | None = None
    batch_norm: bool | None = None
    own_side: int | None = None


def of(plan: Plan) -> NetworkShape:
    """The shape of a plan's network."""
    model, size = plan.model, plan.image_size
    match model:
        case Vit():
            return _vit(model, plan.image_shape)
        case Cct() | Conformer() | Uniformer() | Swin():
            return _own(model, size)
        case Resnet() | Cnn():
            return NetworkShape(kind="convolutions", batch_norm=has_batch_norm(model))
        case TimmModel():
            return _timm(model, size)
        case _:
            return NetworkShape()


def _own(model: Cct | Conformer | Uniformer | Swin, size: int) -> NetworkShape:
    """The shape of the other transformers of this package."""
    match model:
        case Cct():
            side = _cct_side(model, size)
            return NetworkShape(
                kind="transformer", depth=model.depth, dim=model.dim, heads=model.heads, tokens=side * side,
                parameters=_blocks(model.dim, model.depth, model.mlp_ratio), batch_norm=has_batch_norm(model),
            )  # fmt: skip
        case Conformer():
            return NetworkShape(
                kind="transformer", depth=model.depth, dim=model.dim, heads=model.heads, patch=model.patch,
                tokens=(size // model.patch) ** 2, batch_norm=has_batch_norm(model),
            )  # fmt: skip
        case Uniformer():
            return NetworkShape(
                kind="transformer", depth=model.local_depth + model.depth, dim=2 * model.dim, heads=model.heads,
                tokens=(size // (2 * model.patch)) ** 2, batch_norm=has_batch_norm(model),
            )  # fmt: skip
        case Swin():
            return NetworkShape(
                kind="transformer", parameters=SWIN[model.variant], batch_norm=has_batch_norm(model)
            )


def _cct_side(model: Cct, size: int) -> int:
    """The side of the tokens: each convolution has its stride, and each pool halves."""
    stride, around = max(1, model.kernel // 2 - 1), max(1, model.kernel // 2)
    for _ in range(model.convolutions):
        size = (size + 2 * around - model.kernel) // stride + 1
        size = (size + 2 - 3) // 2 + 1
    return max(size, 0)


def _vit(model: Vit, shape: tuple[int, int]) -> NetworkShape:
    wide = model.mlp_width / model.dim if model.mlp_width else model.mlp_ratio
    linear = model.attention == "linear" or model.landmarks is not None
    return NetworkShape(
        kind="transformer", depth=model.depth, dim=model.dim, heads=model.heads, patch=model.patch,
        tokens=(shape[0] // model.patch) * (shape[1] // model.patch), quadratic=not linear, parameters=_blocks(model.dim, model.depth, wide),
        batch_norm=has_batch_norm(model),
    )  # fmt: skip


def _blocks(dim: int, depth: int, wide: float) -> float:
    """Weights of that many blocks: four matrices of attention and two of an MLP `wide` times as wide as a token."""
    return depth * dim * dim * (4.0 + 2.0 * wide)


def _timm(model: TimmModel, size: int) -> NetworkShape:
    name = model.name
    norm = bool(NORMED.match(name)) and not OTHER_NORM.search(name)
    if not TRANSFORMERS.match(name):
        kind: Kind = (
            "convolutions" if NORMED.match(name) or name.startswith("convnext") else "other"
        )
        return NetworkShape(kind=kind, batch_norm=True if norm else None)
    named = re.search(r"patch(\d+)", name)
    patch = model.patch or (int(named.group(1)) if named else None)
    plain = bool(PLAIN.match(name)) and patch is not None
    side = re.search(r"_(\d{3})(?=[._]|$)", name)
    word = next((word for word in SIZES if f"_{word}_" in name), "")
    sizes = SWIN if name.startswith("swin") else SIZES
    return NetworkShape(
        kind="transformer",
        depth=12 if plain and word in {"tiny", "small", "base"} else None,
        patch=patch if plain else None,
        tokens=(size // patch) ** 2 if plain and patch else None,
        parameters=sizes.get(word),
        batch_norm=False if PLAIN.match(name) or name.startswith("swin") else None,
        own_side=int(side.group(1)) if side else None,
    )
