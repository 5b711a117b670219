"""Room: the memory that a training may take, given as text (`8GiB`) or free on the device."""

import platform
import re
import sys
from pathlib import Path

from revconsole.errors import ProfileError
from revconsole.records import host, nvml
from revconsole.records.foresight.foresight import Kind
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

SIZE = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([kmgt]?i?b?)\s*", re.IGNORECASE | re.ASCII)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
MOST_BYTES = 1024**5
"""Larger sizes are taken for mistakes."""
LONGEST_SHOWN = 40
FREE = "free"
"""The word for the memory that is free on the device now."""
DRIVER = Path("/dev/nvidiactl")
"""A file that NVIDIA's driver makes on Linux."""


def in_bytes(text: str, option: str) -> int:
    """The bytes of `8GiB`, `24G`, `512MiB` (powers of 1,024), `24GB` (powers of 1,000) or `900B`. Raises ProfileError."""
    match = SIZE.fullmatch(text)
    unit = match[2].lower() if match else ""
    power: int = POWERS[unit.rstrip("ib")]
    decimal = unit.endswith("b") and "i" not in unit and power > 0
    size = float(match[1]) * float((1000 if decimal else 1024) ** power) if match else 0.0
    if not unit or not 1 <= size <= MOST_BYTES:
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        raise ProfileError(
            COMMAND_LINE,
            option,
            f"should be a size such as 8GiB or 512MiB, not {shown!r}{_hint(size, unit)}",
        )
    return round(size)


def _hint(size: float, unit: str) -> str:
    """What is wrong with a size that is a number."""
    if size > MOST_BYTES:
        return f": at most {MOST_BYTES >> 40:,}TiB"
    return ": the unit is missing" if size and not unit else ""


def kind_of(plan: Plan) -> Kind:
    """The kind of device that a plan trains on here: the one it names, else CUDA if there is a GPU."""
    name = plan.train.device
    if name == "auto":
        return "cuda" if nvml.free_by_id() or DRIVER.exists() else "cpu"
    return "cuda" if name.startswith("cuda") else "cpu"


def without_rules(plan: Plan) -> str:
    """Why nothing is sure of a plan's memory on its device, as a sentence; empty on the CPU and on CUDA."""
    name = plan.train.device
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if name == "mps" or (name == "auto" and apple):
        return (
            f"{plan.name} trains on mps, whose kernels and allocator are not known: its memory is told by the rules of "
            "the CPU, and whether it fits is uncertain"
        )
    return ""


def free_on(kind: Kind) -> int | None:
    """Free bytes of the emptiest GPU, or of this machine within its limits; None if unknown."""
    if kind == "cuda":
        return max((nvml.free_by_id() or {}).values(), default=None)
    return host.memory()[0]
