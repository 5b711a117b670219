"""Google's vision transformers: the arrays of an `.npz`, as JAX writes them, under timm's names.

Two layouts: that of the paper and of AugReg (`Transformer/encoderblock_0/…`), and big_vision's, whose blocks are stacked in
one array each (`params/Transformer/encoderblock/…`). A matrix is transposed, because JAX multiplies from the left.

Shapes: L blocks, D width, H heads, K width per head, M width of the MLP.
Source: github.com/google-research/vision_transformer and big_vision.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers import resample_abs_pos_embed, resample_patch_embed
from torch import Tensor, nn

Array = NDArray[Any]
Arrays = Mapping[str, Array]
ANCHOR = "embedding/kernel"
ROOTS = ("", "opt/target/", "params/", "params/img/")
"""What may precede the names: nothing, an optimiser's target, the parameters, or one tower of them."""
STACKED = "Transformer/encoderblock/"
POSITIONS, PATCHES = "pos_embed", "patch_embed.proj.weight"
OF_MODEL = {
    "cls": "cls_token",
    "pos_embedding": POSITIONS,
    "Transformer/posembed_input/pos_embedding": POSITIONS,
    "embedding/kernel": PATCHES,
    "embedding/bias": "patch_embed.proj.bias",
    "Transformer/encoder_norm/scale": "norm.weight",
    "Transformer/encoder_norm/bias": "norm.bias",
    "head/kernel": "head.weight",
    "head/bias": "head.bias",
}
OF_BLOCK = {
    "LayerNorm_0": "norm1",
    "LayerNorm_1": "norm2",
    "LayerNorm_2": "norm2",
    "MlpBlock_0/Dense_0": "mlp.fc1",
    "MlpBlock_0/Dense_1": "mlp.fc2",
    "MlpBlock_3/Dense_0": "mlp.fc1",
    "MlpBlock_3/Dense_1": "mlp.fc2",
}
ATTENTIONS = ("MultiHeadDotProductAttention_0/", "MultiHeadDotProductAttention_1/")
OF_NO_USE = ("pre_logits/", "opt/state/")
"""A layer in front of the head in pre-training, and the state of an optimiser."""


def is_google(arrays: Arrays) -> bool:
    """Whether the names are those of a vision transformer of Google's."""
    return any(f"{root}{ANCHOR}" in arrays for root in ROOTS)


def translated(arrays: Arrays) -> dict[str, Tensor]:
    """The arrays by timm's names, float32. A name without a counterpart stays as it is, to be refused by who loads it."""
    root = next(root for root in ROOTS if f"{root}{ANCHOR}" in arrays)
    names = {name.removeprefix(root): array for name, array in arrays.items()}
    names = {name: array for name, array in names.items() if not name.startswith(OF_NO_USE)}
    return dict(_of_model(names)) | dict(_of_blocks(names))


def fitted(weights: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The weights with positions and patches of the model's size, interpolated bilinearly as Google's own code does."""
    own, resampled = model.state_dict(), {}
    if POSITIONS in weights and POSITIONS in own and _differ(POSITIONS, weights, own):
        resampled[POSITIONS] = resample_abs_pos_embed(
            weights[POSITIONS],
            new_size=list(model.patch_embed.grid_size),
            num_prefix_tokens=0 if model.no_embed_class else model.num_prefix_tokens,
            interpolation="bilinear",
            antialias=False,
        )
    if PATCHES in weights and PATCHES in own and isinstance(model.patch_embed.proj, nn.Conv2d):
        side = list(own[PATCHES].shape[-2:])
        if list(weights[PATCHES].shape[-2:]) != side:
            resampled[PATCHES] = resample_patch_embed(
                weights[PATCHES], side, interpolation="bilinear", antialias=False
            )
    return weights | resampled


def _differ(name: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours[name].shape != theirs[name].shape


def _of_model(names: Arrays) -> Iterator[tuple[str, Tensor]]:
    """The tensors outside the blocks."""
    for name, array in names.items():
        if name.startswith("Transformer/encoderblock"):
            continue
        ours = OF_MODEL.get(name, name)
        table = array[None] if ours == POSITIONS and array.ndim == 2 else array
        yield ours, _tensor(table if ours in {"cls_token", POSITIONS} else _turned(table))


def _of_blocks(names: Arrays) -> Iterator[tuple[str, Tensor]]:
    """The tensors of every block."""
    for number, block in _blocks(names).items():
        attention = next((a for a in ATTENTIONS if f"{a}query/kernel" in block), ATTENTIONS[0])
        taken = set()
        for name, array in block.items():
            layer, _, kind = name.rpartition("/")
            if layer in OF_BLOCK:
                word = "bias" if kind == "bias" else "weight"
                yield f"blocks.{number}.{OF_BLOCK[layer]}.{word}", _tensor(_turned(array))
                taken.add(name)
        if f"{attention}query/kernel" in block:
            for name, tensor in _attention(block, attention):
                yield f"blocks.{number}.attn.{name}", tensor
            taken |= {name for name in block if name.startswith(attention)}
        for name in block.keys() - taken:
            yield f"encoderblock_{number}/{name}", _tensor(block[name])


def _blocks(names: Arrays) -> dict[int, dict[str, Array]]:
    """The arrays of each block by its number, with the names within the block."""
    blocks: dict[int, dict[str, Array]] = {}
    for name, array in names.items():
        if name.startswith(STACKED):
            for number, part in enumerate(array):
                blocks.setdefault(number, {})[name.removeprefix(STACKED)] = part
        elif name.startswith("Transformer/encoderblock_"):
            digits, _, rest = name.removeprefix("Transformer/encoderblock_").partition("/")
            blocks.setdefault(int(digits), {})[rest] = array
    return blocks


def _attention(block: Arrays, root: str) -> Iterator[tuple[str, Tensor]]:
    """Query, key and value (D, H, K) as one matrix (3·H·K, D), and the projection (H, K, D) as (D, H·K)."""
    parts = [block[f"{root}{part}/kernel"] for part in ("query", "key", "value")]
    yield "qkv.weight", _tensor(np.concatenate([p.reshape(p.shape[0], -1).T for p in parts]))
    biases = [block[f"{root}{part}/bias"].reshape(-1) for part in ("query", "key", "value")]
    yield "qkv.bias", _tensor(np.concatenate(biases))
    out = block[f"{root}out/kernel"]
    yield "proj.weight", _tensor(out.reshape(-1, out.shape[-1]).T)
    yield "proj.bias", _tensor(block[f"{root}out/bias"])


def _turned(array: Array) -> Array:
    """A kernel in torch's order of axes: (in, out) → (out, in), (h, w, in, out) → (out, in, h, w)."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
