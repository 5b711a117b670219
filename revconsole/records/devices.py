"""Devices: what a run may train on, by names that all processes of this machine share, told without torch.

A card has the number that the driver gives it, whatever CUDA_VISIBLE_DEVICES makes of that number in one process.
"""

import os
import platform
import sys
from pathlib import Path

from revconsole.records import host, nvml
from revconsole.records.processor import processor

FILES, VISIBLE = Path("/dev"), "CUDA_VISIBLE_DEVICES"
"""Where NVIDIA's driver has a file for each card on Linux, and the variable that hides cards from a process."""


def candidates(device: str) -> tuple[str, ...]:
    """The devices that `train.device` may mean here: one, or all cards that `auto` chooses from."""
    kind, _, number = device.partition(":")
    if kind not in {"auto", "cuda"}:
        return (kind,)
    cards = _visible(_cards())
    if kind == "auto":
        apple = sys.platform == "darwin" and platform.machine() == "arm64"
        return cards or ("mps" if apple else "cpu",)
    place = int(number) if number.isdecimal() else 0
    return (cards[place] if place < len(cards) else f"cuda:{place}",)


def shared_name(device: str) -> str:
    """The name that all processes of this machine share of a device that this process calls `cpu`, `mps` or `cuda:0`."""
    return candidates(device)[0]


def called(device: str) -> str:
    """What a device that `train.device` names calls itself; empty if it is not known, or `auto` has cards of several names."""
    meant = candidates(device)
    if not meant[0].startswith("cuda"):
        return processor()
    session = nvml.Nvml.open()
    if session is None:
        return ""
    try:
        names = {card.name for card in session.gpus() if f"cuda:{card.number}" in meant}
    finally:
        session.close()
    return names.pop() if len(names) == 1 else ""


def alone(device: str) -> dict[str, str]:
    """The variables with which a process sees this card and no other, as its first; none for a device that is no card.

    device: a name that all processes share. The driver's id of the card is used if it is known: CUDA may number otherwise.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return {}
    called = _cards().get(device, "")
    return {VISIBLE: f"GPU-{called}" if called else number}


def memory(device: str) -> tuple[int, int] | None:
    """Free and total bytes of a device, by the name that all processes share; None if they are not known."""
    if device.partition(":")[0] != "cuda":
        return host.memory()
    session = nvml.Nvml.open()
    if session is None:
        return None
    try:
        for card in session.gpus():
            if device in {f"cuda:{card.number}", f"cuda:GPU-{card.id}"}:
                return (card.free, card.total) if card.free is not None and card.total else None
    finally:
        session.close()
    return None


def _cards() -> dict[str, str]:
    """The cards of this machine: the name of each, and what the driver calls it, where its package is installed."""
    session = nvml.Nvml.open()
    if session is not None:
        try:
            return {f"cuda:{card.number}": card.id for card in session.gpus()}
        finally:
            session.close()
    numbers = [file.name.removeprefix("nvidia") for file in FILES.glob("nvidia[0-9]*")]
    return {f"cuda:{number}": "" for number in sorted(map(int, filter(str.isdecimal, numbers)))}


def _visible(cards: dict[str, str]) -> tuple[str, ...]:
    """The cards that this process may use, in its own order."""
    words = os.environ.get(VISIBLE)
    if words is None:
        return tuple(cards)
    seen: list[str] = []
    for word in (each.strip() for each in words.split(",")):
        named = [name for name, called in cards.items() if word in {name[5:], f"GPU-{called}"}]
        if not named and not word.startswith(("GPU-", "MIG-")):  # CUDA reads no further either
            break
        seen += named or [f"cuda:{word}"]
    return tuple(seen)
