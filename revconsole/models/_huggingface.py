"""Hugging Face's vision transformers: the tensors of transformers' ViT, DeiT, DINOv2, MAE and MSN under timm's names.

Two layouts: that of the files of `save_pretrained` (`encoder.layer.0.attention.attention.query`), and that of the
`state_dict` of transformers 5 (`layers.0.attention.q_proj`). Query, key and value become one matrix, and so do the two
halves of a SwiGLU. What the names do not say is in the `config.json` beside the file: `Computation`.

Shapes: N positions, D width.
Source: huggingface/transformers, models/{vit,deit,dinov2,dinov2_with_registers,vit_mae,vit_msn}.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import DataUnavailable

Weights = dict[str, Tensor]
ANCHOR = "embeddings.patch_embeddings.projection.weight"
NETWORKS = ("vit.", "deit.", "dinov2.", "dinov2_with_registers.")
"""What a model with a head calls its network; the head stands beside it."""
HEADS = {"classifier.": "head.", "cls_classifier.": "head.", "distillation_classifier.": "head_dist."}  # fmt: skip
BLOCK = re.compile(r"^(?:encoder\.)?layers?\.(\d+)\.(.+)\.(\w+)$")
POSITIONS, CLASS_TOKEN, REGISTERS = "pos_embed", "cls_token", "reg_token"
OF_MODEL = {
    "embeddings.cls_token": CLASS_TOKEN,
    "embeddings.distillation_token": "dist_token",
    "embeddings.register_tokens": REGISTERS,
    "embeddings.position_embeddings": POSITIONS,
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
OF_BLOCK = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output.dense": "attn.proj",
    "attention.o_proj": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.weights_in": "mlp.fc1",
    "mlp.weights_out": "mlp.fc2",
    "mlp.down_proj": "mlp.fc2",
    "layer_scale1": "ls1",
    "layer_scale2": "ls2",
}
OF_PARTS = (
    ("attn.qkv", tuple(f"attention.attention.{part}" for part in ("query", "key", "value"))),
    ("attn.qkv", tuple(f"attention.{part}_proj" for part in "qkv")),
    ("mlp.fc1", ("mlp.gate_proj", "mlp.up_proj")),
)
"""Layers that timm has as one, and the layers here whose rows follow one another in it."""
SCALE = {"lambda1": "gamma"}
OF_NO_USE = ("pooler.", "embeddings.mask_token")
"""Beginnings of the names of what no classifier reads: a layer on the class token, and the token of masked patches."""
CONFIGURATION = "config.json"
MOST_BYTES = 64 << 20
"""Read of a configuration; one with the names of 21,843 classes has some megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """What a configuration says that no tensor shows; None where it says nothing.

    heads: attention heads per block. epsilon: what a LayerNorm adds to the variance. activation: of the MLP.
    """

    heads: int | None = None
    epsilon: float | None = None
    activation: str | None = None


def is_huggingface(names: Mapping[str, Any]) -> bool:
    """Whether the names are those of a vision transformer of transformers'."""
    return any(_is_anchor(name) for name in names)


def translated(weights: Weights) -> Weights:
    """The tensors by timm's names, behind the prefixes that they have. A name without a counterpart stays as it is."""
    for prefix in [name.removesuffix(ANCHOR) for name in weights if _is_anchor(name)]:
        weights = _under(prefix, weights)
    return weights


def computation(path: Path) -> Computation:
    """What the configuration beside a file of weights says, transformers' or timm's. Raises DataUnavailable for one that cannot be read."""
    beside = path.parent / CONFIGURATION
    if not beside.exists():
        return Computation()
    try:
        with beside.open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
        heads = found.get("num_attention_heads", (found.get("model_args") or {}).get("num_heads"))
        epsilon = found.get("layer_norm_eps")
        return Computation(
            heads=None if heads is None else int(heads),
            epsilon=None if epsilon is None else float(epsilon),
            activation="silu" if found.get("use_swiglu_ffn") else found.get("hidden_act"),
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataUnavailable(
            f"{beside} says how the weights beside it compute, and is no configuration that could be read; mend it, or "
            "put the weights of model.weights into a folder of their own"
        ) from error


def refuse_another(says: Computation, model: nn.Module, *, taker: str, source: Path) -> None:
    """Raise DataUnavailable if the model computes something else from the same tensors."""
    known = dict(differences(says, model))
    if known:
        difference, remedy = next(iter(known.items()))
        raise DataUnavailable(
            f"{source} does not fit {taker}: {CONFIGURATION} beside it says {difference}; {remedy}"
        )


def differences(says: Computation, model: nn.Module) -> Iterator[tuple[str, str]]:
    """(what a configuration says and what the model has, what to do) for each that differs."""
    block = next((part for name, part in model.named_modules() if name == "blocks.0"), None)
    heads = getattr(getattr(block, "attn", None), "num_heads", None)
    if None not in {says.heads, heads} and says.heads != heads:
        yield (
            f"{says.heads} heads, and the model has {heads}",
            "choose a model with as many heads",
        )
    act = getattr(getattr(block, "mlp", None), "act", None)
    exact = isinstance(act, nn.GELU) and act.approximate == "none"
    own = "gelu" if exact else type(act).__name__.lower()
    if says.activation is not None and act is not None and says.activation != own:
        yield (
            f"activation {says.activation}, and the model has {own}",
            "choose a model with the same",
        )
    norms = {part.eps for part in model.modules() if isinstance(part, nn.LayerNorm)}
    if says.epsilon is not None and norms - {says.epsilon}:
        other = min(norms - {says.epsilon})
        yield (
            f"layer_norm_eps {says.epsilon:g}, and the model has {other:g}",
            f"set model.norm_eps={says.epsilon:g}",
        )


def _is_anchor(name: str) -> bool:
    return name == ANCHOR or name.endswith(f".{ANCHOR}")


def _under(prefix: str, weights: Weights) -> Weights:
    """The weights with those of one network, and of the head beside it, by timm's names."""
    inside = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
    network = next((word for word in NETWORKS if f".{prefix}".endswith(f".{word}")), "")
    root = prefix.removesuffix(network)
    renamed: Weights = {}
    for name, weight in weights.items():
        if not name.startswith(prefix):
            renamed[_head(name, root, prefix)] = weight
    return renamed | {f"{prefix}{name}": weight for name, weight in _network(inside).items()}


def _head(name: str, root: str, prefix: str) -> str:
    """The name of a tensor beside the network, behind the network's prefix if it is of a head."""
    for theirs, ours in HEADS.items():
        if name.startswith(f"{root}{theirs}"):
            return f"{prefix}{ours}{name.removeprefix(f'{root}{theirs}')}"
    return name


def _network(inside: Weights) -> Weights:
    named: Weights = {}
    blocks: dict[str, Weights] = {}
    for name, weight in inside.items():
        if match := BLOCK.match(name):
            blocks.setdefault(match[1], {})[f"{match[2]}.{match[3]}"] = weight
        else:
            named[OF_MODEL.get(name, name)] = weight
    for number, block in blocks.items():
        named |= {f"blocks.{number}.{name}": weight for name, weight in _block(block).items()}
    return _without_own_positions(named)


def _block(block: Weights) -> Weights:
    rest = dict(block)
    named: Weights = {}
    for joined, parts in OF_PARTS:
        for kind in ("weight", "bias"):
            names = [f"{part}.{kind}" for part in parts]
            if all(name in rest for name in names):
                named[f"{joined}.{kind}"] = torch.cat([rest.pop(name) for name in names])
    for name, weight in rest.items():
        layer, _, kind = name.rpartition(".")
        known = layer in OF_BLOCK
        named[f"{OF_BLOCK[layer]}.{SCALE.get(kind, kind)}" if known else name] = weight
    return named


def _without_own_positions(named: Weights) -> Weights:
    """With registers timm gives positions to patches alone: that of the class token (1, 1, D) is added to it."""
    if not named.keys() >= {REGISTERS, POSITIONS, CLASS_TOKEN}:
        return named
    table = named[POSITIONS]
    return named | {POSITIONS: table[:, 1:], CLASS_TOKEN: named[CLASS_TOKEN] + table[:, :1]}
