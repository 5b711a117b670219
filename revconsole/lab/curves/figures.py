"""Figures: what is to be drawn, not how. The console and any exporter draw the same values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from revconsole.lab.curves.smoothing import smoothed_pyramid
from revconsole.records.logs.columns import NOWHERE, Pyramid
from revconsole.records.logs.noise import noisy
from revconsole.records.runs.run import Run, Series

Horizontal = Literal["step", "epoch"]
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a figure. `gaps` are the x of values that were not finite and are not in `ys`."""

    label: str
    run_id: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    gaps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Curves with labelled axes; units are in the labels. `logarithmic` is said of the vertical axis."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = field(default_factory=tuple)
    logarithmic: bool = False

    @property
    def gaps(self) -> int:
        """How many values could not be drawn because they were not finite."""
        return sum(len(curve.gaps) for curve in self.curves)


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSubject:
    """What a figure shows: metrics by name, in order, with the words for title and axis."""

    title: str
    y_label: str
    metrics: tuple[tuple[str, str], ...]
    scale: float = 1.0
    logarithmic: bool = False


NATS = "nats"
LOSS = FigureSubject(
    title="loss", y_label=NATS, metrics=(("loss", "train"), ("validation_loss", "validation"))
)
ACCURACY = FigureSubject(
    title="accuracy",
    y_label="%",
    metrics=(
        ("train_accuracy", "train"),
        ("validation_accuracy", "validation"),
        ("knn_accuracy", "k-NN"),
    ),
    scale=100.0,
)
MEMORY = FigureSubject(
    title="memory",
    y_label="MiB",
    metrics=(
        ("device_allocated_bytes", "allocated"),
        ("resident_bytes", "resident, whole process"),
        ("resident_peak_bytes", "peak, whole process"),
    ),
    scale=1 / MIB,
)
ERROR = FigureSubject(
    title="error",
    y_label="relative",
    metrics=(("reconstruction_error", "reconstruction"), ("gradient_error", "gradient")),
    logarithmic=True,
)
VALIDATION = FigureSubject(
    title="validation accuracy", y_label="%", metrics=(("validation_accuracy", ""),), scale=100.0
)
TRAINING_LOSS = FigureSubject(title="training loss", y_label=NATS, metrics=(("loss", ""),))


def figure(
    subject: FigureSubject,
    runs: Sequence[Run],
    *,
    width: int,
    horizontal: Horizontal = "step",
    smoothing: float = 0.0,
) -> Figure:
    """The figure of one subject over one or more runs, at most two points per column of `width`.

    `smoothing` is the weight of the past in [0, 1) for metrics per step, and is said in the title.
    """
    several = len(runs) > 1
    curves = []
    for run in runs:
        for name, word in subject.metrics:
            series = run.series.get(name)
            if series is not None and series.length:
                of = f"{word}, noise on" if noisy(series.metric) else word
                label = " ".join(part for part in (run.summary.name if several else "", of) if part)
                curve = _curve(
                    series,
                    run,
                    label=label,
                    scale=subject.scale,
                    width=width,
                    horizontal=horizontal,
                    smoothing=smoothing,
                )
                curves.append(curve)
    title = f"{subject.title}, smoothed {smoothing:g}" if smoothing else subject.title
    return Figure(
        title=title,
        x_label=horizontal,
        y_label=_y_label(subject, runs),
        curves=tuple(curves),
        logarithmic=subject.logarithmic,
    )


def _y_label(subject: FigureSubject, runs: Sequence[Run]) -> str:
    """The subject's unit, or those in which the runs measured it: not every loss is in nats."""
    if subject.y_label != NATS:
        return subject.y_label
    units = [s.metric.unit for run in runs for n, _ in subject.metrics if (s := run.series.get(n))]
    return ", ".join(dict.fromkeys(unit for unit in units if unit)) or subject.y_label


def powers(figure: Figure) -> Figure:
    """A logarithmic figure with powers of ten for values; a zero has none and is left out."""
    curves = []
    for curve in figure.curves:
        points = [(x, math.log10(y)) for x, y in zip(curve.xs, curve.ys, strict=True) if y > 0]
        xs, ys = tuple(x for x, _ in points), tuple(y for _, y in points)
        curves.append(replace(curve, xs=xs, ys=ys))
    return replace(figure, curves=tuple(curves))


def _curve(
    series: Series,
    run: Run,
    *,
    label: str,
    scale: float,
    width: int,
    horizontal: Horizontal,
    smoothing: float,
) -> Curve:
    smooth = smoothing > 0 and series.metric.per == "step"
    pyramid = smoothed_pyramid(series, smoothing) if smooth else series.pyramid
    kept, bad = decimated(pyramid, series.length, width)
    xs = [series.step_at(index) for index, _ in kept]
    gaps = [series.step_at(index) for index in bad]
    per_epoch = run.facts.get("steps_per_epoch")
    divisor = per_epoch if horizontal == "epoch" and isinstance(per_epoch, int) else 1
    return Curve(
        label=label,
        run_id=run.id,
        xs=tuple(x / divisor for x in xs),
        ys=tuple(y * scale for _, y in kept),
        gaps=tuple(x / divisor for x in gaps),
    )


def decimated(
    pyramid: Pyramid, length: int, columns: int
) -> tuple[list[tuple[int, float]], list[int]]:
    """At most two points per column, the lowest and the highest, so that no spike is lost; and what is not finite.

    Returns (index, value) of the points in order, and the index of the first value of each column that is not finite.
    """
    size = max(1, math.ceil(length / max(1, columns)))
    kept: list[tuple[int, float]] = []
    bad: list[int] = []
    for start in range(0, length, size):
        found = pyramid.extremes(start, min(length, start + size))
        kept += found.points
        bad += [found.gap_at] if found.gap_at != NOWHERE else []
    return kept, bad
