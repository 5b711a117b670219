"""Cards: what is known of the CUDA devices of this machine, and why torch may see none of them.

What is known is data; each judgement is a function of it, so that it can be tried without any such device.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

ASKING_SECONDS = 10.0
MEBIBYTE = 2**20
LEAST_DRIVER = {"13": 580, "12": 525, "11": 450}
"""By major version of CUDA, the oldest driver that runs it (NVIDIA: CUDA Compatibility, minor version compatibility)."""
OLDER_BUILD = "a torch built for CUDA 12.6 (its wheels are tagged cu126), which runs from driver 525 and compute capability 5.0 on"
BF16_FROM = (8, 0)
"""Compute capability: below it bf16 is emulated in float32, slower than that and less exact."""
BUILT_FOR = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A CUDA device that torch sees. capability: major and minor. free: bytes that nobody uses; None is not known."""

    device: str
    name: str
    capability: tuple[int, int]
    free: int | None = None

    def __str__(self) -> str:
        return f"{self.device} ({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What a machine says of its NVIDIA driver, where it has one.

    version: None where the machine does not say. error: why torch cannot use it. hidden: CUDA_VISIBLE_DEVICES.
    """

    version: str | None
    error: str
    hidden: str | None = None
    build: str = str(torch.__version__)
    cuda: str | None = torch.version.cuda


def cards() -> list[Card]:
    """Every CUDA device that torch sees; begins CUDA, but on no device."""
    if not torch.cuda.is_available():
        return []
    count, free = torch.cuda.device_count(), _free() if torch.cuda.device_count() > 1 else {}
    return [_card(number, free) for number in range(count)]


def emptiest(found: Sequence[Card]) -> Card:
    """The one with most free memory; the first of several, or where that is not known of all."""
    if any(card.free is None for card in found):
        return found[0]
    return max(found, key=lambda card: card.free or 0)


def lacks_kernels(card: Card, built_for: Sequence[str] | None = None) -> str:
    """Why this torch has no kernel that the card can run, in a sentence; empty where it has.

    built_for: as torch lists it, `sm_90` for machine code of one capability, `compute_90` for what is compiled there.
    """
    names = torch.cuda.get_arch_list() if built_for is None else built_for
    if torch.version.hip is not None or not names or any(_runs(card.capability, n) for n in names):
        return ""
    major, minor = card.capability
    oldest = min(_capability(name) for name in names)
    way = OLDER_BUILD if card.capability < oldest else "a newer torch"
    return (
        f"{card} has compute capability {major}.{minor}, for which torch {torch.__version__} has no kernels "
        f"(it has {', '.join(names)}): install {way}, or set train.device to another device"
    )


def computes_in_bf16(capability: tuple[int, int]) -> bool:
    """Whether a card of that capability has arithmetic in bf16, and does not emulate it; AMD's all have it."""
    return torch.version.hip is not None or capability >= BF16_FROM


def unseen(root: Path = Path("/")) -> str:
    """Why torch sees none of the NVIDIA cards of this machine; empty where it sees one or there is no driver.

    root: where the system says what it has. Begins CUDA where there is a driver.
    """
    said = root / "proc/driver/nvidia/version"
    if torch.cuda.is_available() or not (said.exists() or (root / "dev/nvidia0").exists()):
        return ""
    return why_unseen(
        Driver(
            version=_version(said),
            error=_error(),
            hidden=os.environ.get("CUDA_VISIBLE_DEVICES"),
        )
    )


def why_unseen(driver: Driver) -> str:
    """Why torch cannot use a driver that is there, and what to do, in a sentence."""
    there = f"driver {driver.version}" if driver.version else "driver"
    here = f"this machine has NVIDIA's {there}, and torch {driver.build}"
    if driver.cuda is None:
        return f"{here} is built without CUDA: install {OLDER_BUILD}, or a newer one"
    least = LEAST_DRIVER.get(driver.cuda.partition(".")[0])
    if driver.version and least and int(driver.version.partition(".")[0]) < least:
        return (
            f"{here} is built for CUDA {driver.cuda}, which needs driver {least} or newer: update the driver, or install "
            f"{OLDER_BUILD}"
        )
    if driver.hidden is not None:
        return f"{here} sees no card, as CUDA_VISIBLE_DEVICES is {driver.hidden!r}: unset it, or name a card"
    reason = " ".join(driver.error.split()).partition(". ")[0].rstrip(".")
    return f"{here} (for CUDA {driver.cuda}) cannot use it: {reason or 'no reason is given'}"


def driver_version(root: Path = Path("/")) -> str | None:
    """Of NVIDIA's driver, as Linux says; None elsewhere."""
    return _version(root / "proc/driver/nvidia/version")


def _card(number: int, free: dict[str, int]) -> Card:
    known = torch.cuda.get_device_properties(number)
    return Card(
        device=f"cuda:{number}",
        name=known.name,
        capability=(known.major, known.minor),
        free=free.get(str(getattr(known, "uuid", ""))),
    )


def _free() -> dict[str, int]:
    """Free bytes by the card's own id, as NVIDIA's tool says: to ask CUDA would begin a context on every card."""
    command = ["nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603  fixed words, no shell
            command, capture_output=True, text=True, timeout=ASKING_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return free_of(answer.stdout)


def free_of(answer: str) -> dict[str, int]:
    """Bytes by id, of lines such as `GPU-b9…, 8100`; a line that is none is passed over."""
    found = re.findall(r"^(?:GPU-)?([\w-]+), *(\d+)\s*$", answer, flags=re.MULTILINE)
    return {name: int(mebibytes) * MEBIBYTE for name, mebibytes in found}


def _version(said: Path) -> str | None:
    try:
        found = re.search(r"\d{3}\.\d+(\.\d+)?", said.read_text(encoding="utf-8"))
    except OSError:
        return None
    return found[0] if found else None


def _error() -> str:
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # torch gives it no type
    except (RuntimeError, AssertionError) as error:
        return str(error)
    return ""


def _capability(name: str) -> tuple[int, int]:
    found = BUILT_FOR.fullmatch(name)
    return (int(found[2]), int(found[3])) if found else (0, 0)


def _runs(capability: tuple[int, int], name: str) -> bool:
    """Machine code runs on later minor versions of its major one, portable code on everything later."""
    found = BUILT_FOR.fullmatch(name)
    if found is None:
        return False
    built = _capability(name)
    if found[4] == "a":
        return built == capability
    if found[1] == "compute":
        return built <= capability
    return built[0] == capability[0] and built <= capability
