"""Resident memory: the most this process has had, as the system counts it between one look and the next."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

from revconsole.training.machine.shortage import trim_heap

RESET_PEAK = "5"
"""Written to Linux's clear_refs, it resets the peak of the resident memory (proc(5))."""


def most_resident() -> int:
    """The peak in bytes since `forget_peak`; where that cannot be, since the process began."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Let the peak begin anew, at what is in use; Linux only."""
    trim_heap()  # or it would be used unseen
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
