"""Validation accuracy against training time: what an epoch of each arm costs beside what it gains."""

import math
import statistics
from typing import TYPE_CHECKING

from revconsole.lab.report import drawing
from revconsole.lab.report.figures import curves
from revconsole.lab.report.notes import on_a_busy_machine
from revconsole.lab.report.results import ArmResult, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "accuracy-time"
METRIC = "validation_accuracy"
UNITS = (("h", 3600.0, 7200.0), ("min", 60.0, 180.0), ("s", 1.0, 0.0))
"""A unit of time, its seconds, and the length from which it is used."""


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    busy = on_a_busy_machine(results)
    about = curves.about(results)
    means = (
        "" if about.startswith("one seed") else " Both time and accuracy are means over the seeds."
    )
    return (
        f"Validation accuracy against training time, a point for each epoch: {about}{means}{busy}"
    )


def draw(results: Results) -> "Figure | None":
    """A curve for each arm; None if no run recorded its times, or if no arm has two epochs."""
    found = [(index, arm.name, _points(arm)) for index, arm in enumerate(results.arms)]
    found = [each for each in found if len(each[2]) > 1]
    if not found:
        return None
    longest = max(points[-1][0] for _, _, points in found)
    unit, seconds, _ = next(each for each in UNITS if longest >= each[2])
    figure, (axes,) = drawing.canvas()
    for index, name, points in found:
        style = drawing.style(index)
        axes.plot(
            [time / seconds for time, _ in points], [100 * value for _, value in points], style.line,
            color=style.colour, marker=style.marker if len(points) <= curves.MOST_MARKS else "", markersize=3.5,
            linewidth=1.4, label=drawing.label(name),
        )  # fmt: skip
    axes.set_xlim(left=0.0)
    axes.set_xlabel(f"training time ({unit})")
    axes.set_ylabel("validation accuracy (%)")
    drawing.legend(figure, axes)
    return figure


def _points(arm: ArmResult) -> list[tuple[float, float]]:
    """Mean seconds and mean accuracy after each epoch that every run has."""
    runs = [
        [(run.times.elapsed(step), value) for step, value in zip(series.steps, series.values, strict=True)]
        for run in arm.originals
        if (series := run.series.get(METRIC)) is not None
    ]  # fmt: skip
    epochs = [tuple(zip(*each, strict=True)) for each in zip(*runs, strict=False)]
    means = [(statistics.fmean(times), statistics.fmean(values)) for times, values in epochs]
    return [point for point in means if all(map(math.isfinite, point))]
