"""Shortage: what is known when memory runs out, and how its remains are let go.

An exception holds the frames it came through, and those hold the tensors that filled the memory. So whoever
goes on after one does it here: `catching_oom` returns when the exception is gone, and `release_memory` gives back the rest.
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

Result = TypeVar("Result")
TEXTS = (
    "allocate memory",  # torch's allocator of the CPU, and the system
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN, on the CPU, of whatever it has no room for
    "could not execute a primitive",
    "out of memory",  # the drivers of CUDA and of MPS
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""How those say it who raise a RuntimeError or an OSError for everything."""
ASKED = re.compile(r"allocate (\d+(?:\.\d+)?) ?(bytes|[KMGT]i?B)")
"""How CUDA, the CPU and numpy say how much was asked for."""
OF_A_GPU = ("CUDA", "CUBLAS_STATUS", "CUDNN_STATUS", "HIP", "MPS")
"""What is in it when the memory of a GPU ran out, and not the machine's."""
NUMBERED = re.compile(r"GPU (\d+) has")
ALLOCATED = re.compile(
    r"allocated memory (\d+(?:\.\d+)?) ?(bytes|[KMGT]i?B) is allocated by PyTorch"
)
"""How CUDA's allocator says which device it was, and how much of it was in use."""
UNITS = {"b": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class OutOfMemory(MemoryError):  # noqa: N818  the name says what happened
    """The run ends for lack of memory; the message says what would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Memory ran out. used: bytes in use at that moment. asked: how many more; None where nobody said.

    of: whose memory `used` is.
    """

    used: int
    of: str
    asked: int | None

    def __str__(self) -> str:
        asked = "more was" if self.asked is None else f"{size(self.asked)} more were"
        return f"{size(self.used)} were {self.of} and {asked} asked for"


def ran_out(error: BaseException) -> bool:
    """Whether it says that memory ran out; torch has a class of its own for that on CUDA only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(t in str(error) for t in TEXTS)


def catching_oom(
    work: Callable[[], Result], device: torch.device | None = None
) -> Result | Shortage:
    """What `work` returns, or the shortage that ended it, of which no frame is left."""
    try:
        return work()
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        shortage = described(error, device)
    return shortage


def described(error: BaseException, device: torch.device | None = None) -> Shortage:
    """What the error says, and what is in use; to be called while it still holds its frames.

    Whose memory ran out is told by the error: a run on a GPU may lack that of the machine, too.
    """
    found = ASKED.search(str(error))
    asked = round(float(found[1]) * UNITS[found[2][0]]) if found else None
    where = _whose(error, device)
    if where is None:
        used, of = psutil.Process().memory_info().rss, "resident in the process"
    else:
        used, of = _allocated(where, str(error)), f"allocated on {where}"
    return Shortage(used=used, of=of, asked=asked)


def _whose(error: BaseException, device: torch.device | None) -> torch.device | None:
    """The GPU whose memory ran out; None where it was the machine's."""
    text = str(error)
    if not (isinstance(error, torch.OutOfMemoryError) or any(word in text for word in OF_A_GPU)):
        return None
    if device is not None and device.type != "cpu":
        return device
    number = NUMBERED.search(text)
    return torch.device("mps" if "MPS" in text else f"cuda:{number[1] if number else 0}")


def _allocated(device: torch.device, text: str) -> int:
    """Bytes in use on a GPU: as the error says, which was said at that moment, or as torch counts."""
    if said := ALLOCATED.search(text):
        return round(float(said[1]) * UNITS[said[2][0]])
    if device.type == "mps":
        return int(torch.mps.current_allocated_memory())
    return int(torch.cuda.memory_allocated(device)) if torch.cuda.is_available() else 0


def release_memory(optimizer: Optimizer) -> None:
    """Give back what the failed work held: gradients, cycles, and what CUDA's allocator keeps in reserve."""
    optimizer.zero_grad(set_to_none=True)
    empty_caches()


def empty_caches() -> None:
    """Give back what nobody holds any more: cycles, and what the allocators of GPU and CPU keep in reserve.

    Of a GPU the process then holds its context, some hundred MB, and what cuBLAS works in.
    """
    gc.collect()
    with suppress(RuntimeError):  # of a context that is broken
        torch.cuda.empty_cache()  # nothing where CUDA is not in use
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    trim_heap()


def trim_heap() -> None:
    """Let glibc hold nothing back of what was freed; elsewhere nothing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def size(count: int) -> str:
    """Bytes as people read them."""
    unit, word = (UNITS["G"], "GiB") if count >= UNITS["G"] else (UNITS["M"], "MiB")
    return f"{count / unit:.3g} {word}" if count < 1000 * unit else f"{count / unit:,.0f} {word}"
