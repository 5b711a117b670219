"""Own vit: the settings of architecture `vit` with which it takes a file of weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from revconsole.models import vit
from revconsole.models._huggingface import Computation
from revconsole.models._naming import POSITIONS, bare
from revconsole.models.timm import quietly
from revconsole.records.sections.model import Vit

USUAL_HEAD = 64
"""Width of a head of every published vision transformer from tiny to large; no tensor shows it."""
USUAL_SCALE = 1e-5
"""LayerScale's first value, which the file's own take the place of."""
USUAL_EPSILON = 1e-6
PATCHES, FIRST, SCALE = "patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "blocks.0.ls1.gamma"
CLASS_TOKEN, POOLED_NORM = "cls_token", "fc_norm.weight"
Weights = Mapping[str, Tensor]


def settings_for(weights: Weights, prefix: str, says: Computation) -> Vit | None:
    """The settings of the `vit` that takes the file, but for its size of images and its classes; None if there is none.

    prefix: of the network in the file. says: what a configuration beside it says.
    """
    inside = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
    patches, first = inside.get(PATCHES), inside.get(FIRST)
    if patches is None or first is None or patches.ndim != 4 or first.ndim != 2:
        return None
    (dim, channels, patch, width), (hidden, _) = patches.shape, first.shape
    depth = len({n.split(".")[1] for n in inside if n.startswith("blocks.")})
    heads = says.heads or max(1, dim // USUAL_HEAD)
    if patch != width or dim % heads:
        return None
    found = Vit(
        patch=patch,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_width=None if hidden == Vit().mlp_ratio * dim else hidden,
        layer_scale=USUAL_SCALE if SCALE in inside else None,
        pool="mean" if POOLED_NORM in inside else "cls",
        position="learned" if POSITIONS in inside else "none",
        norm_eps=None if says.epsilon == USUAL_EPSILON else says.epsilon,
    )
    return found if _takes(found, dict(weights), _side(inside, patch), channels) else None


def _side(inside: Weights, patch: int) -> int:
    """Side of the images that the file's positions are for; the patch without positions."""
    if POSITIONS not in inside:
        return patch
    tokens = inside[POSITIONS].shape[-2] - (CLASS_TOKEN in inside)
    return max(1, math.isqrt(max(tokens, 1))) * patch


def _takes(settings: Vit, weights: dict[str, Tensor], size: int, channels: int) -> bool:
    """Whether names and shapes are the network's, but for the head."""
    with quietly(), torch.device("meta"):
        model = vit.build(settings, size=size, channels=channels, classes=1)
    file, own = (
        {name: tensor.shape for name, tensor in tensors.items() if not name.startswith("head.")}
        for tensors in (bare(weights, model, "the file").weights, model.state_dict())
    )
    return file == own
