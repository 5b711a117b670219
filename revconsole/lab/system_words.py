"""System words: a system as rows of name, share and value, the same in the console and on the command line."""

from collections.abc import Iterator
from dataclasses import dataclass

from revconsole.lab import format as shown
from revconsole.lab.system import System
from revconsole.records.host import Host
from revconsole.records.nvml import Gpu

NO_DRIVER = "no NVIDIA driver answered (its Python package is the extra `gpu`)"
GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A quantity: share in [0, 1] of its limit, or None if unknown; value in words; whether it is worryingly high."""

    name: str
    share: float | None
    value: str
    high: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeGroup:
    """Quantities of one part of the machine, and sentences below them."""

    title: str
    gauges: tuple[Gauge, ...]
    notes: tuple[str, ...] = ()


def groups(system: System) -> tuple[GaugeGroup, ...]:
    """The machine first, then each card."""
    machine = system.machine
    cards = tuple(_card(gpu, system) for gpu in machine.gpus)
    notes = () if cards else ("no card is seen" if machine.driver else NO_DRIVER,)
    return (GaugeGroup(title=machine.host, gauges=tuple(_of_machine(machine)), notes=notes), *cards)


def _of_machine(machine: Host) -> Iterator[Gauge]:
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    load = f", load {machine.load:.1f}" if machine.load is not None else ""
    use = shown.UNKNOWN if machine.use is None else shown.whole_percent(machine.use)
    yield Gauge(name="processors", share=machine.use, value=f"{use} of {cores}{load}")
    share = machine.memory_used / max(1, machine.memory_total)
    used = f"{_gib(machine.memory_used)} of {_gib(machine.memory_total)} GiB"
    yield Gauge(name="memory", share=share, value=used, high=share > FULL)
    if machine.swap_used:
        yield Gauge(name="swapped", share=None, value=f"{_gib(machine.swap_used)} GiB", high=True)
    if machine.disk_free is not None and machine.disk_total:
        share = 1 - machine.disk_free / machine.disk_total
        free = f"{_gib(machine.disk_free)} of {_gib(machine.disk_total)} GiB free"
        yield Gauge(name="disk of the store", share=share, value=free, high=share > FULL)


FULL = 0.95
"""Share from which a gauge is shown as high."""


def _card(gpu: Gpu, system: System) -> GaugeGroup:
    notes = [
        f"{process.whose}{'' if process.used is None else f', {_gib(process.used)} GiB'}"
        for process in system.on_cards.get(gpu.number, ())
    ]
    title = f"GPU {gpu.number}  {gpu.name}".rstrip()
    free = () if notes or gpu.use else ("no process is seen on it",)
    return GaugeGroup(title=title, gauges=tuple(_of_card(gpu)), notes=(*notes, *free))


def _of_card(gpu: Gpu) -> Iterator[Gauge]:
    if gpu.use is not None:
        yield Gauge(name="use", share=gpu.use, value=f"{shown.whole_percent(gpu.use)} of the time")
    if gpu.used is not None and gpu.total:
        share = gpu.used / gpu.total
        used = f"{_gib(gpu.used)} of {_gib(gpu.total)} GiB"
        yield Gauge(name="memory", share=share, value=used, high=share > FULL)
    if gpu.temperature is not None:
        yield _limited("temperature", gpu.temperature, gpu.hottest, "°C")
    if gpu.power is not None:
        yield _limited("power", gpu.power, gpu.power_limit, "W")


def _limited(name: str, value: float, limit: float | None, unit: str) -> Gauge:
    """A quantity against the driver's own limit, where the driver tells one."""
    if not limit:
        return Gauge(name=name, share=None, value=f"{value:.0f} {unit}")
    words = f"{value:.0f} of {limit:.0f} {unit}"
    return Gauge(name=name, share=min(1.0, value / limit), value=words, high=value >= limit)


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f}"
