"""Resident memory: the peak of this process, as counted by the system between two resets."""

import ctypes
import resource
import sys
from contextlib import suppress
from pathlib import Path

from revconsole.training.machine.shortage import trim_heap

RESET_PEAK = "5"
"""Written to Linux's clear_refs, it resets the peak of the resident memory (proc(5))."""
M_MMAP_THRESHOLD, GIVEN_BACK = -3, 2**16
"""glibc's M_MMAP_THRESHOLD: the size from which freed memory is returned to the system; and our value."""


def most_resident() -> int:
    """Peak resident bytes since `reset_peak`; since process start on systems without a resettable peak."""
    if sys.platform == "linux" and (most := _high_water()) is not None:
        return most
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _high_water() -> int | None:
    """Linux's VmHWM, in bytes. Its ru_maxrss is never below the peak of the process that started this one (getrusage(2):
    it survives execve), nor does it begin anew.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def reset_peak() -> None:
    """Reset the peak to the current usage (Linux)."""
    trim_heap()  # freed memory that glibc keeps would be reused without raising the peak
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")


def give_memory_back_at_once() -> None:
    """Make glibc return freed blocks at once instead of keeping up to 32 MiB; no effect elsewhere."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, GIVEN_BACK)
