"""Kernels: what some operators take for themselves on the CPU while they run, measured by running each of them once.

oneDNN reorders images and weights, and adds up the gradients of depthwise weights in 256 copies of them; attention takes
buffers, a batch norm a copy of what is laid out otherwise. No trace sees it. Which implementation runs, and so what it
takes, also depends on the number of images and of threads: with one thread, convolutions of one pixel are oneDNN's from
16 images on. So calls are measured with few images and with many; see `lines` for which of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from revconsole.training.machine.allocated import allocated

PADDED = 16
"""oneDNN lays channels out in groups of so many."""
COPIES = 4
"""Copies of all of its tensors, laid out in groups, that a call holds at most; seen are 3.4."""
DEPTHWISE_COPIES = 256
"""Copies of the weights of a grouped convolution in which oneDNN adds up their gradients."""
CHANNELS = 1
"""The dimension of the channels of images and of weights."""


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """Shape, strides and type of a tensor."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes_padded(self) -> int:
        """Its bytes with channels in whole groups."""
        shape = list(self.shape)
        if len(shape) > CHANNELS:
            shape[CHANNELS] = -(-shape[CHANNELS] // PADDED) * PADDED
        return prod(shape) * self.dtype.itemsize

    def tensor(self) -> Tensor:
        """A tensor like this; what is in it does not matter, and to fill it would take longer than most kernels."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.dtype)


@dataclass(frozen=True, slots=True)
class KernelCall:
    """An operator, its arguments and its results, with tensors as `TensorLayout` and lists as tuples."""

    name: str
    function: Any
    arguments: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]
    results: tuple[TensorLayout, ...]

    @property
    def tensors(self) -> list[TensorLayout]:
        """The tensors among its arguments."""
        return [each for each in self.arguments if isinstance(each, TensorLayout)]

    @property
    def work(self) -> int:
        """Multiply-adds, roughly."""
        return _WORK[self.name](self)

    @property
    def bytes(self) -> int:
        """Bytes of the tensors that it reads and makes."""
        return sum(prod(t.shape) * t.dtype.itemsize for t in (*self.tensors, *self.results))

    @property
    def most_inside(self) -> int:
        """Bytes that it surely does not exceed."""
        tensors = self.tensors
        most = COPIES * sum(t.bytes_padded for t in (*tensors, *self.results))
        if self.name == "convolution_backward":
            weight = tensors[2]
            most += DEPTHWISE_COPIES * prod(weight.shape) * weight.dtype.itemsize * self._grouped
        return most

    @property
    def _grouped(self) -> bool:
        """Whether it is a backward of a convolution of groups."""
        _, images, weight, *_ = self.tensors
        return weight.shape[CHANNELS] < images.shape[CHANNELS]


def _of_convolution(call: KernelCall) -> int:
    """Multiply-adds of the products: each weight is used once at every place of the smaller of both images."""
    (one, weight), other = call.tensors[:2], call.results[0]
    if call.name == "convolution_backward":
        other, one, weight = call.tensors[:3]
    places = min(prod(one.shape[2:]), prod(other.shape[2:]))
    products = 2 if call.name == "convolution_backward" else 1
    return products * one.shape[0] * places * prod(weight.shape)


def _of_attention(call: KernelCall) -> int:
    """Multiply-adds of one product of (B, heads, tokens, width) with itself."""
    shape = call.tensors[0].shape
    return prod(shape) * shape[-2]


def _of_product(call: KernelCall) -> int:
    """Multiply-adds of a product whose last factor is (…, K, N)."""
    *_, one, other = call.tensors
    return prod(one.shape) * other.shape[-1]


def _of_norm(call: KernelCall) -> int:
    return prod(call.tensors[0].shape)


MEASURED: dict[str, Callable[[KernelCall], int]] = {
    "convolution": _of_convolution,
    "convolution_backward": _of_convolution,
    "native_batch_norm_backward": _of_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _of_attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _of_attention,
}
"""Operators that are run, each with the work of a call, roughly."""
HALF_PRODUCTS = {"mm": _of_product, "addmm": _of_product, "bmm": _of_product}
"""The same, of those that are run in bfloat16 only, where oneDNN lays its factors out anew."""
_WORK = MEASURED | HALF_PRODUCTS


def kernel_call(
    name: str, function: Any, arguments: Sequence[Any], named: Mapping[str, Any], result: Any
) -> KernelCall | None:
    """The call, if its operator is one that is measured."""
    if name not in _WORK:
        return None
    results = result if isinstance(result, tuple) else (result,)
    call = KernelCall(
        name=name,
        function=function,
        arguments=tuple(_plain(each) for each in arguments),
        named=tuple((key, _plain(value)) for key, value in named.items()),
        results=tuple(_plain(each) for each in results if isinstance(each, Tensor)),
    )
    if name in HALF_PRODUCTS and call.tensors[-1].dtype != torch.bfloat16:
        return None
    return call


def with_images(low: KernelCall, high: KernelCall, share: Fraction) -> KernelCall | None:
    """The call with other numbers of images, `low` + `share` times the way to `high`; None if that is not a call."""

    def between(one: Any, other: Any) -> Any:
        if isinstance(one, TensorLayout):
            shape, strides = (
                between(getattr(one, name), getattr(other, name)) for name in ("shape", "strides")
            )
            return TensorLayout(shape, strides, one.dtype)
        if isinstance(one, tuple):
            return tuple(between(a, b) for a, b in zip(one, other, strict=True))
        if one == other or not isinstance(one, int):
            return one
        there = one + share * (other - one)
        if there != int(there):
            raise ValueError(there)
        return int(there)

    try:
        parts = ((getattr(low, n), getattr(high, n)) for n in ("arguments", "named", "results"))
        arguments, named, results = (between(a, b) for a, b in parts)
    except ValueError:
        return None
    return KernelCall(low.name, low.function, arguments, named, results)


@lru_cache(maxsize=4096)
def inside(call: KernelCall) -> int:
    """The most bytes that the call holds beside its results while it runs; 0 if it does not run by itself.

    Types that tensors without numbers are said to have are not always those of real ones.
    """
    arguments = [_real(each) for each in call.arguments]
    named = {key: _real(value) for key, value in call.named}
    results: list[Any] = []

    def run() -> None:
        with torch.no_grad():
            results.append(call.function(*arguments, **named))

    try:
        most = allocated(run)
    except RuntimeError:
        return 0
    outputs = results[0] if isinstance(results[0], tuple) else (results[0],)
    return max(0, most - sum(each.nbytes for each in outputs if isinstance(each, Tensor)))


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorLayout(tuple(value.shape), value.stride(), value.dtype)
    return tuple(value) if isinstance(value, list) else value


def _real(value: Any) -> Any:
    if isinstance(value, TensorLayout):
        return value.tensor()
    return list(value) if isinstance(value, tuple) else value
