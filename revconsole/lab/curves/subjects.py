"""Subjects: what a figure can show: a quantity measured in several ways, or any single metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from revconsole.lab.curves.units import MEBIBYTES, NATS, RELATIVE, unit_of
from revconsole.records.logs.per_block import block_number, measured_by_block
from revconsole.records.runs.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSubject:
    """What a figure shows: the names of its metrics, each with the word that tells it from the others, and its title."""

    title: str
    metrics: tuple[tuple[str, str], ...]
    logarithmic: bool = False
    by_block: bool = False
    """Whether each metric is of one block, so that they are drawn as a heat map."""
    by_part: bool = False
    """Whether it is the memory of a step by part, drawn as bars."""


LOSS = FigureSubject(title="loss", metrics=(("loss", "train"), ("validation_loss", "validation")))
TRAINING_LOSS = FigureSubject(title="training loss", metrics=(("loss", ""),))
ACCURACY = FigureSubject(
    title="accuracy",
    metrics=(
        ("train_accuracy", "train"),
        ("validation_accuracy", "validation"),
        ("knn_accuracy", "k-NN"),
    ),
)
DEVICE_MEMORY = FigureSubject(
    title="memory of the device",
    metrics=(
        ("device_allocated_bytes", "allocated"),
        ("device_reserved_bytes", "reserved"),
        ("device_peak_allocated_bytes", "peak"),
        ("device_bytes", "limit"),
    ),
)
KEPT = ("kept_for_backward_bytes", "kept for backward")
HOST_MEMORY = FigureSubject(
    title="memory", metrics=(KEPT, ("foreseen_peak_bytes", "peak of a step, foreseen"))
)
"""By the account of torch's allocator, without what else is in the process."""
RESIDENT_MEMORY = FigureSubject(title="memory", metrics=(KEPT, ("training_peak_bytes", "peak")))
PROCESS_MEMORY = FigureSubject(
    title="memory of the whole process",
    metrics=(("resident_bytes", "resident"), ("resident_peak_bytes", "peak")),
)
ERROR = FigureSubject(
    title="error",
    metrics=(("reconstruction_error", "reconstruction"), ("gradient_error", "gradient")),
    logarithmic=True,
)
PARTS = FigureSubject(title="memory of a step", metrics=(), by_part=True)
MEMORY, BY_PART = "memory", "memory by part"
FAMILIES: Mapping[str, FigureSubject] = {
    "loss": LOSS,
    "training loss": TRAINING_LOSS,
    "accuracy": ACCURACY,
    "error": ERROR,
    "process memory": PROCESS_MEMORY,
    BY_PART: PARTS,
}
"""Quantities that several metrics measure, by the name under which a screen asks for them; so is `MEMORY`."""
OF_MACHINE: Mapping[str, FigureSubject] = {
    name: FigureSubject(title=title, metrics=((name, ""),))
    for name, title in (
        ("cpu_use", "processors in use"),
        ("memory_used_bytes", "memory in use"),
        ("gpu_use", "card in use"),
        ("gpu_memory_bytes", "memory of the card in use"),
        ("gpu_temperature", "temperature of the card"),
        ("gpu_power", "power of the card"),
    )
}
"""What a run measures of its machine, by the name of the metric."""
BY_BLOCK = " by block"
"""End of the name of what is measured for every block."""
PEAK_OF: Mapping[str, str] = {
    "resident_peak_bytes": "resident_bytes",
    "device_peak_allocated_bytes": "device_allocated_bytes",
    "training_peak_bytes": "kept_for_backward_bytes",
}
"""Metrics that are the highest so far of another one, recorded or not."""

RAN_OUT = "memory ran out"
"""Rule of the advice that a step was repeated with less at once."""
CONSTANT = frozenset({"kept_for_backward_bytes"})
"""Metrics that are measured once and hold for the rest of the run."""
OF_FACTS = frozenset({"foreseen_peak_bytes", "device_bytes"})
"""Facts in bytes that are drawn like a metric measured once."""


def subject(name: str, runs: Sequence[Run]) -> FigureSubject:
    """The subject of that name: a family, or a metric by itself."""
    if name == MEMORY:
        on_device = any("device_allocated_bytes" in run.series for run in runs)
        if not on_device and any(run.memory for run in runs):
            return PARTS
        known = {metric for run in runs for metric in run.series}
        host = (
            RESIDENT_MEMORY if known & {m for m, _ in RESIDENT_MEMORY.metrics} else PROCESS_MEMORY
        )
        host = HOST_MEMORY if any(run.facts.get("foreseen_peak_bytes") for run in runs) else host
        return DEVICE_MEMORY if on_device else host
    if name in FAMILIES:
        return FAMILIES[name]
    if name in OF_MACHINE:
        return OF_MACHINE[name]
    if name.endswith(BY_BLOCK):
        return _by_block(name, runs)
    return FigureSubject(title=name.replace("_", " "), metrics=((name, ""),))


def _by_block(name: str, runs: Sequence[Run]) -> FigureSubject:
    """What is measured for every block, of the first run in which it is."""
    what = name.removesuffix(BY_BLOCK)
    found = next((m for run in runs if (m := measured_by_block(run.series).get(what))), [])
    metrics = tuple((metric, f"block {block_number(metric)}") for metric in found)
    return FigureSubject(title=name.replace("_", " "), metrics=metrics, by_block=True)


def unit(chosen: FigureSubject, runs: Sequence[Run]) -> str:
    """The units in which the runs measured it; some losses are not in nats, and those of other programs in nobody knows what."""
    metrics = [s.metric for run in runs for n, _ in chosen.metrics if (s := run.series.get(n))]
    units = [MEBIBYTES] if chosen.by_part else [unit_of(metric)[0] for metric in metrics]
    said = ", ".join(dict.fromkeys(each for each in units if each))
    usual = {"loss": NATS, "training loss": NATS, "error": RELATIVE}.get(chosen.title, "")
    return said if any(run.summary.program for run in runs) else said or usual


def recorded(runs: Sequence[Run]) -> list[str]:
    """Names of every metric of these runs that has a point."""
    known = {name for run in runs for name, series in run.series.items() if series.length}
    return sorted(known)


def offered(runs: Sequence[Run]) -> list[str]:
    """Names of all that can be drawn of these runs: families with something measured first, then every metric."""
    known = set(recorded(runs))
    families = [
        name
        for name in (*FAMILIES, MEMORY)
        if any(metric in known for metric, _ in subject(name, runs).metrics)
        or (subject(name, runs).by_part and any(run.memory for run in runs))
    ]
    by_block = measured_by_block(known)
    heats = [what + BY_BLOCK for what in sorted(by_block)]
    singles = known - {metric for metrics in by_block.values() for metric in metrics}
    return [*families, *heats, *sorted(singles - set(families))]
