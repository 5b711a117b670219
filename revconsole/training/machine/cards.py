"""Cards: the CUDA devices of this machine, and the reason if torch sees none.

The facts are plain data, and each judgement is a function of them, so that it can be tested without a GPU.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from revconsole.records import nvml

ASKING_SECONDS = 10.0
MEBIBYTE = 2**20
LEAST_DRIVER = {"13": 580, "12": 525, "11": 450}
"""Oldest driver for each major CUDA version (NVIDIA: CUDA Compatibility, minor version compatibility)."""
OLDER_BUILD = "a torch built for CUDA 12.6 (its wheels are tagged cu126), which runs from driver 525 and compute capability 5.0 on"
BF16_FROM = (8, 0)
"""Compute capability below which bf16 is emulated in float32, slower and less exactly."""
BUILT_FOR = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A CUDA device that torch sees. capability: (major, minor). free: unused bytes; None if unknown."""

    device: str
    name: str
    capability: tuple[int, int]
    free: int | None = None

    def __str__(self) -> str:
        return f"{self.device} ({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The NVIDIA driver of a machine.

    version: None if unknown. error: why torch cannot use it. hidden: value of CUDA_VISIBLE_DEVICES.
    """

    version: str | None
    error: str
    hidden: str | None = None
    build: str = str(torch.__version__)
    cuda: str | None = torch.version.cuda


def cards() -> list[Card]:
    """Every CUDA device that torch sees. Initialises CUDA, but creates no context on a device."""
    if not torch.cuda.is_available():
        return []
    count, free = torch.cuda.device_count(), _free() if torch.cuda.device_count() > 1 else {}
    return [_card(number, free) for number in range(count)]


def emptiest(candidates: Sequence[Card]) -> Card:
    """The card with the most free memory; the first one of several, or if any free memory is unknown."""
    if any(card.free is None for card in candidates):
        return candidates[0]
    return max(candidates, key=lambda card: card.free or 0)


def lacks_kernels(card: Card, built_for: Sequence[str] | None = None) -> str:
    """Why this torch has no kernel for the card, in a sentence; empty if it has one.

    built_for: in torch's notation, `sm_90` for machine code of one capability, `compute_90` for code compiled on the
    machine.
    """
    names = torch.cuda.get_arch_list() if built_for is None else built_for
    if torch.version.hip is not None or not names or any(_runs(card.capability, n) for n in names):
        return ""
    major, minor = card.capability
    oldest = min(_capability(name) for name in names)
    remedy = OLDER_BUILD if card.capability < oldest else "a newer torch"
    return (
        f"{card} has compute capability {major}.{minor}, for which torch {torch.__version__} has no kernels "
        f"(it has {', '.join(names)}): install {remedy}, or set train.device to another device"
    )


def computes_in_bf16(capability: tuple[int, int]) -> bool:
    """Whether a card of this capability computes in bf16 without emulation; all of AMD's do."""
    return torch.version.hip is not None or capability >= BF16_FROM


def unseen(root: Path = Path("/")) -> str:
    """Why torch sees none of the NVIDIA cards of this machine; empty if it sees one or there is no driver.

    root: file system root of the machine's descriptions. Initialises CUDA if there is a driver.
    """
    version_file = root / "proc/driver/nvidia/version"
    if torch.cuda.is_available() or not (version_file.exists() or (root / "dev/nvidia0").exists()):
        return ""
    return why_unseen(
        Driver(
            version=_version(version_file),
            error=_error(),
            hidden=os.environ.get("CUDA_VISIBLE_DEVICES"),
        )
    )


def why_unseen(driver: Driver) -> str:
    """Why torch cannot use an installed driver, with a remedy, in a sentence."""
    driver_words = f"driver {driver.version}" if driver.version else "driver"
    prefix = f"this machine has NVIDIA's {driver_words}, and torch {driver.build}"
    if driver.cuda is None:
        return f"{prefix} is built without CUDA: install {OLDER_BUILD}, or a newer one"
    required = LEAST_DRIVER.get(driver.cuda.partition(".")[0])
    if driver.version and required and int(driver.version.partition(".")[0]) < required:
        return (
            f"{prefix} is built for CUDA {driver.cuda}, which needs driver {required} or newer: update the driver, or install "
            f"{OLDER_BUILD}"
        )
    if driver.hidden is not None:
        return f"{prefix} sees no card, as CUDA_VISIBLE_DEVICES is {driver.hidden!r}: unset it, or name a card"
    reason = " ".join(driver.error.split()).partition(". ")[0].rstrip(".")
    return f"{prefix} (for CUDA {driver.cuda}) cannot use it: {reason or 'no reason is given'}"


def driver_version(root: Path = Path("/")) -> str | None:
    """Version of the NVIDIA driver on Linux; None elsewhere."""
    return _version(root / "proc/driver/nvidia/version")


def _card(number: int, free: dict[str, int]) -> Card:
    properties = torch.cuda.get_device_properties(number)
    return Card(
        device=f"cuda:{number}",
        name=properties.name,
        capability=(properties.major, properties.minor),
        free=free.get(str(getattr(properties, "uuid", ""))),
    )


def _free() -> dict[str, int]:
    """Free bytes by card id from NVML, or else from nvidia-smi; asking CUDA would create a context on every card."""
    if known := nvml.free_by_id():
        return known
    command = ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603  fixed words, no shell
            command, capture_output=True, text=True, timeout=ASKING_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return free_of(answer.stdout)


def free_of(answer: str) -> dict[str, int]:
    """Bytes by card id from lines such as `GPU-b9…, 8100`; other lines are skipped."""
    lines = re.findall(r"^(?:GPU-)?([\w-]+), *(\d+)\s*$", answer, flags=re.MULTILINE)
    return {name: int(mebibytes) * MEBIBYTE for name, mebibytes in lines}


def _version(file: Path) -> str | None:
    try:
        match = re.search(r"\d{3}\.\d+(\.\d+)?", file.read_text(encoding="utf-8"))
    except OSError:
        return None
    return match[0] if match else None


def _error() -> str:
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # torch gives it no type
    except (RuntimeError, AssertionError) as error:
        return str(error)
    return ""


def _capability(name: str) -> tuple[int, int]:
    match = BUILT_FOR.fullmatch(name)
    return (int(match[2]), int(match[3])) if match else (0, 0)


def _runs(capability: tuple[int, int], name: str) -> bool:
    """Whether a card can run code built for `name`.

    Machine code (sm) runs on its own and later minor versions of its major version, portable code (compute) on all
    later ones.
    """
    match = BUILT_FOR.fullmatch(name)
    if match is None:
        return False
    built = _capability(name)
    if match[4] == "a":
        return built == capability
    if match[1] == "compute":
        return built <= capability
    return built[0] == capability[0] and built <= capability
