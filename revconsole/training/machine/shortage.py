"""Shortage: what is known when memory runs out, and how to release it.

An exception holds the frames it came through, and those hold the tensors that filled the memory. A caller that
continues after one therefore uses `catching_oom`, which returns when the exception is gone, and then
`release_memory`.
"""

import ctypes
import gc
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import psutil
import torch
from torch.optim import Optimizer

from revconsole.records.printable import size

Result = TypeVar("Result")
TEXTS = (
    "allocate memory",  # torch's allocator of the CPU, and the system
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN on the CPU
    "could not execute a primitive",
    "out of memory",  # the drivers of CUDA and of MPS
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Texts of lack of memory in libraries that raise a plain RuntimeError or OSError."""
ASKED = re.compile(r"allocate (\d+(?:\.\d+)?) ?(bytes|[KMGT]i?B)")
"""How CUDA, the CPU allocator and numpy state the requested size."""
OF_A_GPU = ("CUDA", "CUBLAS_STATUS", "CUDNN_STATUS", "HIP", "MPS")
"""Words in errors about the memory of a GPU."""
NUMBERED = re.compile(r"GPU (\d+) has")
ALLOCATED = re.compile(
    r"allocated memory (\d+(?:\.\d+)?) ?(bytes|[KMGT]i?B) is allocated by PyTorch"
)
"""How CUDA's allocator states its allocated memory."""
UNITS = {"b": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class OutOfMemory(MemoryError):  # noqa: N818  the name says what happened
    """The run ends for lack of memory; the message says what would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A lack of memory.

    used: bytes in use at that moment. of: meaning of `used`. asked: requested bytes; None if unknown.
    """

    used: int
    of: str
    asked: int | None

    def __str__(self) -> str:
        asked = "more was" if self.asked is None else f"{size(self.asked)} more were"
        return f"{size(self.used)} were {self.of} and {asked} asked for"


def ran_out(error: BaseException) -> bool:
    """Whether an error means lack of memory; torch has a class of its own for it on CUDA only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(t in str(error) for t in TEXTS)


def catching_oom(
    work: Callable[[], Result], device: torch.device | None = None
) -> Result | Shortage:
    """The result of `work`, or the shortage that ended it; the shortage keeps no frame or tensor alive."""
    try:
        return work()
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        shortage = described(error, device)
    return shortage


def described(error: BaseException, device: torch.device | None = None) -> Shortage:
    """The shortage that an error describes. Call it while the error still holds its frames.

    The error itself tells whose memory ran out: a run on a GPU may lack memory of the machine.
    """
    request = ASKED.search(str(error))
    asked = round(float(request[1]) * UNITS[request[2][0]]) if request else None
    where = _whose(error, device)
    if where is None:
        used, of = psutil.Process().memory_info().rss, "resident in the process"
    else:
        used, of = _allocated(where, str(error)), f"allocated on {where}"
    return Shortage(used=used, of=of, asked=asked)


def _whose(error: BaseException, device: torch.device | None) -> torch.device | None:
    """The GPU whose memory ran out; None if it was the machine's."""
    text = str(error)
    if not (isinstance(error, torch.OutOfMemoryError) or any(word in text for word in OF_A_GPU)):
        return None
    if device is not None and device.type != "cpu":
        return device
    number = NUMBERED.search(text)
    return torch.device("mps" if "MPS" in text else f"cuda:{number[1] if number else 0}")


def _allocated(device: torch.device, text: str) -> int:
    """Bytes in use on a GPU: as stated in the error, else as torch counts now."""
    if statement := ALLOCATED.search(text):
        return round(float(statement[1]) * UNITS[statement[2][0]])
    if device.type == "mps":
        return int(torch.mps.current_allocated_memory())
    return int(torch.cuda.memory_allocated(device)) if torch.cuda.is_available() else 0


def release_memory(optimizer: Optimizer) -> None:
    """Release what failed work held: gradients, reference cycles and the reserve of the allocators."""
    optimizer.zero_grad(set_to_none=True)
    empty_caches()


def empty_caches() -> None:
    """Release unreferenced memory: reference cycles, and the reserves of the GPU and CPU allocators.

    On a GPU the process then holds only its context (some hundred MB) and the workspace of cuBLAS.
    """
    gc.collect()
    with suppress(RuntimeError):  # the CUDA context may be broken
        torch.cuda.empty_cache()  # no effect if CUDA is not in use
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    trim_heap()


def trim_heap() -> None:
    """malloc_trim: return freed memory to the system (glibc only)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
