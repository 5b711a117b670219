"""Allowance: memory that a training takes and that no trace of its step shows, and the verdict with it.

What is allowed for is stated beside every verdict. On CUDA the context and the libraries' workspaces are those usually
seen, not those of a measured device. On the CPU what kernels take is foreseen; what is left is what the process holds
beyond its allocations. Over 27 models of 7 to 1,324 MiB in one process a step took at most 5 % more than was foreseen
(`plan --calibration --check` measures it again), as the C library does not give back at once what is freed; a process of
its own took 27 to 28 MiB more, for the code and the pools of libraries.
"""

from dataclasses import dataclass
from typing import Literal

from revconsole.records.datasets import sources
from revconsole.records.settings.plan import Plan

Word = Literal["fits", "tight", "does not fit", "uncertain"]
MEBIBYTE = 2**20
CONTEXT = (300 * MEBIBYTE, 600 * MEBIBYTE)
"""Least and most bytes of a CUDA context with torch's kernels."""
WORKSPACES = (8 * MEBIBYTE, 64 * MEBIBYTE)
"""Least and most bytes that cuBLAS and cuDNN take for themselves; cuBLAS takes 8 or 32 MiB."""
BEYOND_FORESEEN = 0.06
"""Share of a step on the CPU that the process may take besides; the most that was measured is 5 %."""
LOADED = 32 * MEBIBYTE
"""Bytes that libraries take when a process first computes; 28 MiB is the most that was measured."""
TIGHT = 0.9
"""Filled share of a memory from which a step is called tight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRange:
    """The least and the most bytes that a training is expected to take."""

    low: int
    high: int

    def within(self, memory: int) -> Word:
        """Whether it fits into `memory` bytes, in one word or three."""
        if self.low > memory:
            return "does not fit"
        if self.high > memory:
            return "uncertain"
        return "tight" if self.high > TIGHT * memory else "fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Bytes beside those of the step, at least and at most, and the share of the step that may be taken besides."""

    low: int = 0
    high: int = 0
    inside: float = 0.0
    words: str = ""
    """What is allowed for, as a clause."""

    def around(self, least: int, most: int) -> MemoryRange:
        """The range of a step whose tensors take `least` bytes and for which `most` are reserved."""
        return MemoryRange(low=least + self.low, high=round(most * (1.0 + self.inside)) + self.high)


def allowance(plan: Plan, device: Literal["cpu", "cuda"], *, images: int = 0) -> Allowance:
    """The allowance of a plan on a kind of device. images: of a folder, which the plan does not count."""
    data = placed_bytes(plan, device, images=images)
    if device == "cpu":
        words = (
            f"{_mib(data)} of images in memory, and up to {_mib(LOADED)} and {BEYOND_FORESEEN:.0%} of the step "
            "that the process takes besides"
        )
        return Allowance(low=data, high=data + LOADED, inside=BEYOND_FORESEEN, words=words)
    low, high = (each + other for each, other in zip(CONTEXT, WORKSPACES, strict=True))
    words = f"{_mib(low)} to {_mib(high)} of context and workspaces, and {_mib(data)} of images on the device"
    return Allowance(low=low + data, high=high + data, words=words)


def placed_bytes(plan: Plan, device: Literal["cpu", "cuda"], *, images: int = 0) -> int:
    """Bytes of the images of all splits that lie where the training takes its memory."""
    on_host = device == "cuda" and plan.data.place == "host"
    return 0 if on_host or plan.data.place == "disk" else data_bytes(plan, images=images)


def data_bytes(plan: Plan, *, images: int = 0) -> int:
    """Bytes of the images of all splits, one byte per value; 0 for a folder whose images are not counted."""
    data, shipped = plan.data, plan.shipped
    train = min(data.train_limit or shipped.train_images, shipped.train_images)
    test = min(data.test_limit or shipped.test_images, shipped.test_images)
    side = sources.uncropped_size(data) or plan.image_size
    width = data.image_width if data.dataset == sources.FOLDER else None
    return (images or train + test) * plan.facts.channels * side * (width or side)


def _mib(count: int) -> str:
    return f"{count / MEBIBYTE:,.0f} MiB"
