"""Resident memory: the peak of this process, as counted by the system between two resets."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

from revconsole.training.machine.shortage import trim_heap

RESET_PEAK = "5"
"""Written to Linux's clear_refs, it resets the peak of the resident memory (proc(5))."""


def most_resident() -> int:
    """Peak resident bytes since `reset_peak`; since process start on systems without a resettable peak."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def reset_peak() -> None:
    """Reset the peak to the current usage (Linux)."""
    trim_heap()  # freed memory that glibc keeps would be reused without raising the peak
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
