"""The switches of torch that decide which kernel computes a number, and with how many bits.

Float32 products have two: the word of `torch.set_float32_matmul_precision`, and from torch 2.9 on `fp32_precision` of
each backend and operation. Reading the word after the other was set raises, as may reading others in a mixture; such
a switch then has no value here and is left alone, and the other tells.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

Read = Callable[[], Any]
Write = Callable[[Any], object]
Values = tuple[Any, ...]
INHERITED = "none"  # what an operation's precision is set to in order to follow its backend's
ATTENTION_KERNELS = ("flash", "mem_efficient", "math", "cudnn")  # of every device, despite the name
SUMS = (
    "fp16_reduced_precision_reduction", "bf16_reduced_precision_reduction", "fp16_accumulation"
)  # fmt: skip
UNREADABLE = (AttributeError, RuntimeError)
"""Raised for a switch of another version of torch, and for a mixture of both ways."""


def _attribute(place: str, name: str) -> tuple[Read, Write]:
    """An attribute somewhere in `torch.backends`."""
    owner: Any = torch.backends
    for part in place.split("."):
        owner = getattr(owner, part, None)
    prop = vars(type(owner)).get(name)  # most are properties that call a function without arguments
    read = getattr(prop, "getter", None) or partial(getattr, owner, name)
    return read, partial(setattr, owner, name)


def _precision(place: str) -> tuple[Read, Write]:
    """An operation's `fp32_precision`, which stays inherited where that gives the same."""
    read, write = _attribute(place, "fp32_precision")
    backend, of = place.split(".")
    ask = getattr(torch._C, "_get_fp32_precision_getter", None)  # noqa: SLF001  past Python, four times as fast
    if ask is not None and place != "cudnn.rnn":  # which is quick, and no operation of this name
        read = partial(ask, "mkldnn" if backend == "mkldnn" else "cuda", of)

    def put(value: Any) -> None:
        write(INHERITED)
        if read() != value:
            write(value)

    return read, put


def _sums(what: str) -> tuple[Read, Write]:
    """What cuBLAS may add up in fewer bits; of both halves of that, where there are two."""
    read, write = _attribute("cuda.matmul", f"allow_{what}")
    return getattr(torch._C, f"_get_cublas_allow_{what}", read), write  # noqa: SLF001  as above


def _attention(kernel: str) -> tuple[Read, Write]:
    cuda = torch.backends.cuda
    return getattr(cuda, f"{kernel}_sdp_enabled"), getattr(cuda, f"enable_{kernel}_sdp")


SWITCHES: tuple[tuple[Read, Write], ...] = (
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),  # first: sets others
    _attribute("cudnn", "allow_tf32"),
    *(_precision(f"{of}.{what}") for of in ("cudnn", "mkldnn") for what in ("conv", "rnn")),
    *(_precision(f"{of}.matmul") for of in ("cuda", "mkldnn")),
    *(_attribute("cudnn", name) for name in ("enabled", "benchmark", "deterministic")),
    _attribute("mkldnn", "enabled"),
    *map(_sums, SUMS),
    *(_attention(kernel) for kernel in ATTENTION_KERNELS),
    (torch._C._get_sdp_priority_order, torch._C._set_sdp_priority_order),  # noqa: SLF001  no public way
    (
        torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed,
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp,
    ),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),
)


READERS = tuple(read for read, _ in SWITCHES)


def switches() -> Values:
    """The value of every switch now, None for one that cannot be read."""
    try:
        return tuple([read() for read in READERS])
    except UNREADABLE:
        return tuple(map(_read, READERS))


def products() -> str:
    """How products of float32 matrices are computed, in a word, whichever switch was used to say so."""
    word = _read(torch.get_float32_matmul_precision)
    if word is not None:
        return str(word)
    cuda, cpu = (_read(_precision(f"{of}.matmul")[0]) for of in ("cuda", "mkldnn"))
    return f"cuda {cuda}, cpu {cpu}"


@contextmanager
def switched(wanted: Values) -> Iterator[None]:
    """Set what is not as wanted for a `with`, and put it back."""
    before = switches()
    put(wanted)
    try:
        yield
    finally:
        put(before)


def put(wanted: Values) -> None:
    """Set each switch in order that has a value and has another one now."""
    for (read, write), value in zip(SWITCHES, wanted, strict=True):
        if value is not None and _read(read) != value:
            write(value)


def _read(read: Read) -> Any:
    try:
        return read()
    except UNREADABLE:
        return None
