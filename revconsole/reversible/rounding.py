"""Whether rounding leaves enough of the gradient: one rule for every scheme, depth and type.

Undone in floats, a stack hands back streams that are a little off, and its gradient is then that of a point close by.
The relative error is foretold for the longest stretch of n blocks that are undone one after the other:

    error_growth(n)     · rounding of the streams
    error_growth(n − 3) · rounding of the branches / 8     where they compute in a coarser type

A type's rounding is half a unit in its last place. Branches round coarser than streams under autocast, with bf16 or
fp16 weights, and where products of float32 matrices are made in TF32 or bf16; while streams stay float32, it takes
three blocks until that counts. The larger of the two must not exceed rounding^0.4 / 2.5 of the coarsest type that
takes part, so that two fifths of its digits are left: 0.05 % in float32 and float64, 1.9 % in fp16 and TF32, 4.4 % in
bf16. In ViTs of 4 to 96 blocks the gradient as a whole was off by 0.3 to 5 times what is foretold, single small
tensors by 3 times more: tests/conformance/test_rounding.py measures both sides. On a grid nothing is lost.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.arithmetic import ROUNDING, SINGLE, foretold, limit
from revconsole.errors import NotInvertible
from revconsole.reversible.scheme import UNDONE

NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16"}

Types = tuple[torch.dtype, str, float]
"""Dtype of the streams, name of the dtype that branches round to, and its relative rounding error."""


def require_digits(
    scheme: Any, weights: Iterable[Tensor], backwards: Sequence[str], x: Tensor
) -> None:
    """Raise NotInvertible, with the way out, if blocks of these weights cannot be undone as they compute now.

    backwards: of each block. x: the stream as it enters, of which type and device are looked at.
    """
    if scheme.grid is not None:
        return
    dtypes = {weight.dtype for weight in weights}
    kind, found = x.device.type, [dtype for dtype in dtypes if dtype in NAMES]
    if torch.is_autocast_enabled(kind):
        found.append(torch.get_autocast_dtype(kind))
    products = "" if found or x.dtype != torch.float32 else _products(kind)
    types = _types(x.dtype, found, products)
    _judge(scheme, longest(backwards), types, limit(types[-1]))


def require_digits_in(
    scheme: Any,
    blocks: Sequence[nn.Module],
    backwards: Sequence[str],
    autocast: torch.dtype | None = None,
) -> None:
    """Raise as `require_digits` does before there is a stream: from the types of the blocks' weights, under that autocast."""
    if scheme.grid is not None:
        return
    dtypes = {p.dtype for block in blocks for p in block.parameters() if p.is_floating_point()}
    streams = max(dtypes, key=_rounding, default=torch.float32)
    types = _types(streams, [autocast] if autocast else [], "")
    _judge(scheme, longest(backwards), types, limit(types[-1]))


def longest(backwards: Sequence[str]) -> int:
    """The longest stretch of blocks that are undone one after the other."""
    stretches = (len(list(group)) for word, group in groupby(backwards) if word in UNDONE)
    return max(stretches, default=0)


def _types(streams: torch.dtype, branches: Iterable[torch.dtype], products: str) -> Types:
    coarsest = max([streams, *branches], key=_rounding)
    if products in ROUNDING and _rounding(coarsest) < ROUNDING[products]:
        return streams, products, ROUNDING[products]
    return streams, NAMES.get(coarsest, str(coarsest).removeprefix("torch.")), _rounding(coarsest)


@lru_cache(maxsize=256)
def _judge(scheme: Any, blocks: int, types: Types, most: float) -> None:
    streams, name, rounding = types
    if not blocks:
        return  # nothing is undone, not even by a scheme without an inverse
    error = foretold(scheme.error_growth, blocks, streams=_rounding(streams), branches=rounding)
    if error <= most:
        return
    raise NotInvertible(
        f"undoing {blocks} blocks of the scheme {scheme.name} in {name} would leave the activations "
        f"off by {min(error, 1.0):.2%} of their size ({most:.2%} at most), and the gradients wrong: set "
        f"grid_bits=9, which is exact{_instead(scheme, blocks, types)}, or choose "
        "backward='checkpointed' or 'stored'"
    )


def _instead(scheme: Any, blocks: int, types: Types) -> str:
    """What else helps: fewer blocks in a row, or float32."""
    streams, _, rounding = types
    if rounding <= SINGLE:
        return ""
    fine = foretold(scheme.error_growth, blocks, streams=SINGLE, branches=SINGLE) <= limit(SINGLE)
    where = "" if streams == torch.float32 else " with weights in float32 under autocast"
    return where + (", compute in float32" if fine else "")


def _rounding(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps / 2


def _products(device_type: str) -> str:
    """What torch may round the factors of float32 products to on that kind of device."""
    backends = {"cuda": torch.backends.cuda, "cpu": torch.backends.mkldnn}
    matmul = getattr(backends.get(device_type), "matmul", None)
    return str(getattr(matmul, "fp32_precision", ""))
