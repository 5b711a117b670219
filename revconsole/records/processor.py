"""Processor: what the CPU of this machine calls itself, without torch."""

import platform
from contextlib import suppress
from pathlib import Path

from revconsole.records.sysctl import sysctl

PROCESSORS = Path("/proc/cpuinfo")
"""The file in which Linux describes its CPUs."""


def processor() -> str:
    """The model of the CPU where the system tells it, as Linux and macOS do, else its family."""
    with suppress(OSError):
        for line in PROCESSORS.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()
