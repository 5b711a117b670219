"""Process samples: memory and use of the machine while another program trains, every few seconds, and the memory of each report."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from revconsole.records.host import HostReader
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.nvml import Gpu

SECONDS = 5.0
"""Least time between two readings of the machine."""
STATM = Path("/proc/self/statm")
RESIDENT, PEAK = "resident_bytes", "training_peak_bytes"
OF_DEVICE = "device_peak_allocated_bytes"


def _metric(name: str, unit: str, meaning: str) -> MetricDeclared:
    return MetricDeclared(name=name, unit=unit, per="step", direction="none", meaning=meaning)


SAMPLED = {
    metric.name: metric
    for metric in (
        _metric(RESIDENT, "B", "Resident memory of the process."),
        _metric(PEAK, "B", "Largest resident memory that was seen, above what there was when the recording began."),
        _metric(OF_DEVICE, "B", "Most that torch had allocated on the device."),
        _metric("cpu_use", "fraction", "Share of all cores of the machine that compute, for any process."),
        _metric("memory_used_bytes", "B", "Memory in use on the machine, by any process."),
        _metric("gpu_use", "fraction", "Share of the time in which some kernel runs on the card, of any process."),
        _metric("gpu_memory_bytes", "B", "Memory of the card in use, by any process."),
        _metric("gpu_temperature", "°C", "Temperature of the card."),
        _metric("gpu_power", "W", "Power that the card draws."),
    )
}  # fmt: skip
"""What a sample may hold, by name."""


class ProcessSamples:
    """Samples of a process and its machine. pid: of the process; None for this one."""

    def __init__(self, pid: int | None = None) -> None:
        self._pid = pid
        self._reader = HostReader(Path())
        self._before = self._peak = self._resident()
        self._due = time.monotonic()

    def of_report(self) -> dict[str, float]:
        """The memory of the process now; takes microseconds."""
        now = self._resident()
        self._peak = max(self._peak, now)
        return {RESIDENT: now} if now else {}

    def of_machine(self) -> dict[str, float]:
        """What the machine does; nothing if the last reading is younger than SECONDS."""
        if time.monotonic() < self._due:
            return {}
        self._due = time.monotonic() + SECONDS
        machine = self._reader.read()
        values = {
            "memory_used_bytes": float(machine.memory_used),
            **self.of_report(),
            **_allocated(),
        }
        if machine.use is not None:
            values["cpu_use"] = machine.use
        if self._peak > self._before:
            values[PEAK] = self._peak - self._before
        cards = _visible(machine.gpus)
        return values | (_of_card(cards[0]) if len(cards) == 1 else {})

    def close(self) -> None:
        """End the session with the driver."""
        self._reader.close()

    def _resident(self) -> float:
        """Bytes; 0 if unknown."""
        if self._pid is None:
            with suppress(OSError, ValueError, IndexError):
                pages = int(STATM.read_text("ascii").split()[1])
                return float(pages * os.sysconf("SC_PAGE_SIZE"))
        import psutil  # 25 ms; where there is no /proc, or of another process

        with suppress(psutil.Error):
            return float(psutil.Process(self._pid).memory_info().rss)
        return 0.0


def _allocated() -> dict[str, float]:
    """The peak of torch's allocator, if the process has imported torch and uses a CUDA device; torch is not imported for it."""
    torch: Any = sys.modules.get("torch")
    with suppress(Exception):  # a library of others, perhaps half imported
        if torch is not None and torch.cuda.is_initialized():
            return {OF_DEVICE: float(torch.cuda.max_memory_allocated())}
    return {}


def _visible(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """The cards that the process may use, as CUDA_VISIBLE_DEVICES has them."""
    text = os.environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return gpus
    words = [word.strip() for word in text.split(",")]
    return tuple(g for n, g in enumerate(gpus) if str(n) in words or (g.id and f"GPU-{g.id}" in words))  # fmt: skip


def _of_card(gpu: Gpu) -> dict[str, float]:
    values = {
        "gpu_use": gpu.use, "gpu_memory_bytes": gpu.used, "gpu_temperature": gpu.temperature, "gpu_power": gpu.power,
    }  # fmt: skip
    return {name: float(value) for name, value in values.items() if value is not None}
