"""What may be asked of a tensor that tells which tensor it is, and not what it holds.

A wired block computes on stand-ins: other tensors of the same numbers. Whether a stand-in is a leaf and requires a
gradient is what it is of the tensor that it stands for; the rest of autograd's and memory's names is its own, so that
a block that asks for it, and computes accordingly, would compute something else.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import Tensor

GETTERS = ("grad_fn", "grad", "retains_grad", "output_nr", "_version", "_base")
METHODS = ("data_ptr", "untyped_storage", "storage", "storage_offset", "_is_view")
OF_THE_IDENTITY: dict[Any, str] = {
    **{getattr(Tensor, name).__get__: name for name in GETTERS},
    **{getattr(Tensor, name): name for name in METHODS},
}
LIBRARIES = {"torch", "triton"}
"""Libraries that may ask: hooks, walks over parameters, launches of kernels."""
INSIDE = {"torch._tensor", "torch.overrides"}
"""Modules in which torch implements what is asked."""


def identity_asked(function: Callable[..., Any]) -> str:
    """What of a tensor's identity a function of torch tells the caller's caller; empty for none, or if that is a library."""
    name = OF_THE_IDENTITY.get(function, "")
    if not name:
        return ""
    frame = sys._getframe(2)  # noqa: SLF001  the only cheap way to ask
    while frame.f_back is not None and _module(frame) in INSIDE:
        frame = frame.f_back
    return "" if _module(frame).partition(".")[0] in LIBRARIES else name


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
