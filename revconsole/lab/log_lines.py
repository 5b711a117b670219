"""Log lines: what a run said and what its epochs measured, in the order of their time."""

import math
from collections.abc import Sequence

from revconsole.lab.curves.units import unit_of, worded
from revconsole.records.printable import plural
from revconsole.records.runs.run import LogLine, Run

OF_AN_EPOCH = (
    ("train_loss", "loss"),
    ("validation_loss", "val"),
    ("train_accuracy", "train"),
    ("validation_accuracy", "val"),
    ("knn_accuracy", "k-NN"),
)
"""Metrics that the line of an epoch names, each with its word."""
OUTPUT = "output"
"""Asks for what the processes of the run wrote, and for nothing else."""
LEVELS = ("log", "note", "warning", "alarm", OUTPUT)
"""Levels of log lines, from what is usual to what is urgent; the last is no level."""


def lines(run: Run) -> list[LogLine]:
    """The log of a run with a line for each epoch, and the output of its processes."""
    return sorted([*run.log, *_epochs(run), *run.output], key=lambda line: line.time)


def chosen(every: Sequence[LogLine], *, least: str = "log", words: str = "") -> list[LogLine]:
    """Those lines that are at least as urgent as a level, or are output if that is asked for, and hold every word."""
    wanted = words.lower().split()
    return [
        line
        for line in every
        if _suits(line, least) and all(word in line.text.lower() for word in wanted)
    ]


def _suits(line: LogLine, least: str) -> bool:
    if least == OUTPUT:
        return line.source == OUTPUT
    return LEVELS.index(line.level) >= LEVELS.index(least)


def heading(shown: int, *, least: str = "log", words: str = "") -> str:
    """What the lines were chosen by, and whether there are none; empty if all are shown."""
    kind = "output of its processes" if least == OUTPUT else f"{least} and above"
    parts = [
        kind if least != LEVELS[0] else "",
        f"with {words.strip()!r}" if words.strip() else "",
    ]
    asked = ", ".join(part for part in parts if part)
    none = ": no line" + (
        "; what a run in a terminal writes is not kept" if least == OUTPUT else ""
    )
    return asked and f"log: {asked}" + ("" if shown else none)


def counted(every: Sequence[LogLine]) -> str:
    """How many lines there are, and how many of them are warnings and alarms."""
    urgent = {level: sum(line.level == level for line in every) for level in ("warning", "alarm")}
    parts = [plural(number, level) for level, number in urgent.items() if number]
    return " · ".join([plural(len(every), "line"), *parts])


def at(every: Sequence[LogLine], wall: float) -> int | None:
    """The index of the last line that is not later than a time; None if there is none."""
    earlier = [n for n, line in enumerate(every) if line.time <= wall]
    return earlier[-1] if earlier else None


def _epochs(run: Run) -> list[LogLine]:
    """A line for each epoch whose time is known."""
    each = run.facts.get("steps_per_epoch")
    by_step: dict[int, list[str]] = {}
    for name, word in OF_AN_EPOCH:
        series = run.series.get(name)
        if series is None or series.metric.per != "epoch":
            continue
        unit, scale = unit_of(series.metric)
        for step, value in zip(series.steps, series.values, strict=True):
            by_step.setdefault(step, []).append(f"{word} {worded(value * scale, unit)}")
    lines = []
    for step, measured in by_step.items():
        wall = run.times.wall(step)
        if math.isfinite(wall) and isinstance(each, int) and each > 0:
            text = f"epoch {step / each:.4g}, step {step:,}: {', '.join(measured)}"
            lines.append(LogLine(time=wall, level="log", text=text))
    return lines
