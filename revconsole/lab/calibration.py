"""Calibration: how good predictions have been, from finished runs that recorded them, by device.

A ratio is what was measured by what was foreseen. On CUDA the measured bytes are the allocator's; on the CPU they are
those of the whole process, which say nothing of trainings of a few MiB.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from revconsole.records.foresight.foresight import Kind
from revconsole.records.runs.pace import TimedDevice
from revconsole.records.runs.run import Summary

LEAST_BYTES = 64 << 20
"""Foreseen bytes from which a run counts."""
LEAST_RUNS = 3
"""Runs on a kind of device after which their median corrects."""
MOST_CORRECTION = 1.25
"""A correction is at most this factor, either way."""
ALLOCATED, RESIDENT = "memory, allocated", "memory, resident"
EPOCH = {
    "run": "time of an epoch, from a run like it",
    "steps": "time of an epoch, from a few steps",
    "multiply-adds": "time of an epoch, from multiply-adds",
}
"""The words for a time of an epoch, by what it was known from."""
ETA = {share: f"time left, told after {share} % of the steps" for share in (10, 25, 50)}
PREDICTED = (ALLOCATED, RESIDENT, *EPOCH.values(), *ETA.values())
"""Everything that runs record as foreseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The ratios of one quantity on one device. worst: the one farthest from 1.

    error, held_out: median sizes of the relative error, as it was foreseen, and with each prediction corrected by the
    median of the other runs; None for fewer than `LEAST_RUNS` others.
    """

    device: str
    predicted: str
    runs: int
    median: float
    worst: float
    error: float
    held_out: float | None


def ratios(runs: Iterable[Summary]) -> dict[tuple[str, str], list[float]]:
    """Measured by foreseen, of the finished runs, by device and quantity."""
    by_quantity: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        if run.state == "finished":
            for quantity, ratio in _of(run):
                by_quantity.setdefault((run.device, quantity), []).append(ratio)
    return by_quantity


def calibrations(runs: Iterable[Summary]) -> list[Calibration]:
    """How good each prediction has been on each device."""
    order = {quantity: place for place, quantity in enumerate(PREDICTED)}
    by_quantity = ratios(runs)
    return [
        _calibration(device, quantity, by_quantity[device, quantity])
        for device, quantity in sorted(by_quantity, key=lambda key: (key[0], order[key[1]]))
    ]


def unrecorded(known: Iterable[Calibration]) -> list[str]:
    """The quantities of which no finished run has recorded a prediction."""
    there = {each.predicted for each in known}
    return [quantity for quantity in PREDICTED if quantity not in there]


def correction(runs: Sequence[Summary], kind: Kind) -> float:
    """The factor by which foreseen bytes are corrected on a kind of device; 1 before there are enough runs."""
    values = [
        value
        for (device, quantity), of in ratios(runs).items()
        if device.startswith(kind) and quantity in {ALLOCATED, RESIDENT}
        for value in of
    ]
    return corrected_by(values)


def time_correction(
    runs: Iterable[Summary], machine: TimedDevice, source: str
) -> tuple[float, int]:
    """The factor for a time known from such a source on such a device, and the number of runs that tell it."""
    there = [run for run in runs if machine.ran(run) and run.foreseen_time_from == source]
    values = [ratio for run in there for quantity, ratio in _of(run) if quantity in EPOCH.values()]
    return corrected_by(values), len(values)


def corrected_by(values: Sequence[float]) -> float:
    """The median of ratios, limited to `MOST_CORRECTION`; 1 if there are too few."""
    if len(values) < LEAST_RUNS:
        return 1.0
    return min(MOST_CORRECTION, max(1.0 / MOST_CORRECTION, median(values)))


def held_out(values: Sequence[float]) -> list[float]:
    """Relative error of each prediction, corrected by the median of all others: below 0 where too little was foreseen."""
    return [
        corrected_by([*values[:place], *values[place + 1 :]]) / value - 1.0
        for place, value in enumerate(values)
    ]


def _calibration(device: str, quantity: str, values: Sequence[float]) -> Calibration:
    others = len(values) > LEAST_RUNS
    return Calibration(
        device=device,
        predicted=quantity,
        runs=len(values),
        median=median(values),
        worst=max(values, key=lambda value: abs(value - 1.0)),
        error=median(abs(1.0 / value - 1.0) for value in values),
        held_out=median(map(abs, held_out(values))) if others else None,
    )


def _of(run: Summary) -> list[tuple[str, float]]:
    """Everything that a run foresaw, each with what was measured by what was foreseen."""
    pairs: list[tuple[str, float]] = []
    foreseen, measured = run.foreseen_peak_bytes, run.peak_memory_bytes
    if measured and foreseen and foreseen >= LEAST_BYTES:
        quantity = ALLOCATED if run.device.startswith("cuda") else RESIDENT
        pairs.append((quantity, measured / foreseen))
    source = EPOCH.get(run.foreseen_time_from)
    if source and run.foreseen_epoch_seconds and run.seconds_per_epoch:
        pairs.append((source, run.seconds_per_epoch / run.foreseen_epoch_seconds))
    etas = zip(ETA.values(), (run.eta_ratio_10, run.eta_ratio_25, run.eta_ratio_50), strict=True)
    pairs.extend((quantity, ratio) for quantity, ratio in etas if ratio)
    return pairs
