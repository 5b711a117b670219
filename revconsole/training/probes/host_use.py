"""Host use: what the machine of a run does while it trains, every few seconds.

The run itself measures it, so that a run without a console has the history too.
"""

import time
from pathlib import Path

import torch

from revconsole.records.host import HostReader
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.nvml import Gpu, Nvml

SECONDS = 5.0
"""Least time between two measurements."""


def _metric(name: str, unit: str, meaning: str) -> MetricDeclared:
    return MetricDeclared(name=name, unit=unit, per="step", direction="none", meaning=meaning)


OF_MACHINE = (
    _metric("cpu_use", "fraction", "Share of all cores of the machine that compute, for any process."),
    _metric("memory_used_bytes", "B", "Memory in use on the machine, by any process."),
)  # fmt: skip
OF_CARD = (
    _metric("gpu_use", "fraction", "Share of the time in which some kernel runs on the card, of any process."),
    _metric("gpu_memory_bytes", "B", "Memory of the card in use, by any process."),
    _metric("gpu_temperature", "°C", "Temperature of the card."),
    _metric("gpu_power", "W", "Power that the card draws."),
)  # fmt: skip


class HostUse:
    """Measures the machine, and the card that a run trains on, as values of metrics."""

    def __init__(self, device: torch.device) -> None:
        self._reader, self._card = HostReader(Path()), card_id(device)
        self._due = time.monotonic()

    def now(self) -> dict[str, float]:
        """The values; none if the last ones are younger than SECONDS."""
        if time.monotonic() < self._due:
            return {}
        self._due = time.monotonic() + SECONDS
        machine = self._reader.read()
        values = {"memory_used_bytes": float(machine.memory_used)}
        if machine.use is not None:
            values["cpu_use"] = machine.use
        for gpu in machine.gpus:
            if gpu.id and gpu.id == self._card:
                values |= _of(gpu)
        return values


def declared(device: torch.device) -> tuple[MetricDeclared, ...]:
    """The metrics that this machine can measure for a run on the device."""
    card = card_id(device)
    session = Nvml.open() if card else None
    if session is None:
        return OF_MACHINE
    known = {name for gpu in session.gpus() if gpu.id == card for name in _of(gpu)}
    session.close()
    return (*OF_MACHINE, *(metric for metric in OF_CARD if metric.name in known))


def card_id(device: torch.device) -> str:
    """The id of a CUDA device as the driver has it; empty for others, or if torch does not say."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return ""
    return str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))


def _of(gpu: Gpu) -> dict[str, float]:
    values = {
        "gpu_use": gpu.use,
        "gpu_memory_bytes": gpu.used,
        "gpu_temperature": gpu.temperature,
        "gpu_power": gpu.power,
    }
    return {name: float(value) for name, value in values.items() if value is not None}
