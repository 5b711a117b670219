"""Exports: a comparison as a file, in the format of the file's suffix."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from revconsole.errors import RevconsoleError, StoreError, UnknownName, WrongState
from revconsole.lab import rows
from revconsole.lab.compare import ComparedRun, Comparison
from revconsole.lab.comparison_table import comparison_table
from revconsole.lab.format import MIB, toml
from revconsole.lab.report import drawing
from revconsole.lab.report.formats import as_csv, as_latex, as_markdown
from revconsole.lab.trade_offs import Scatter
from revconsole.lab.writable import require_folder_of
from revconsole.records.printable import json_text
from revconsole.records.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

PANELS = (
    ("train_loss", "training loss", 1.0),
    ("validation_loss", "validation loss", 1.0),
    ("validation_accuracy", "validation accuracy (%)", 100.0),
)
"""Metric, title and scale of each panel of an exported figure."""


class BadTarget(RevconsoleError):  # noqa: N818  the name says what happened
    """A file that a comparison is not written to, because something is there already."""

    exit_code = 2


def export(compared: Comparison, runs: Sequence[Run], path: Path) -> None:
    """Write a comparison to a file that does not exist yet: table (md, tex, csv, json) or curves over epochs (svg, png, pdf).

    runs: the compared runs with their series, for curves. Raises UnknownName for another suffix, BadTarget if the file exists
    or is a folder, RevconsoleError if it has no curve to show, or matplotlib is missing, and StoreError if it cannot be
    written.
    """
    suffix = path.suffix.removeprefix(".")
    try:
        if not path.name or path.is_dir():
            raise BadTarget(f"{path} is a folder: give a new file, as compared.md")
        if suffix not in {*TEXTS, *drawing.UNDATED}:
            raise UnknownName("format", suffix or path.name, {*TEXTS, *drawing.UNDATED})
        if path.exists():
            raise BadTarget(f"{path} exists: choose another name")
        require_folder_of(path)
        _write(compared, runs, path, suffix)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def _write(compared: Comparison, runs: Sequence[Run], path: Path, suffix: str) -> None:
    if suffix in drawing.UNDATED:
        with drawing.drawn():
            drawing.save(_sheet(compared, runs), path)
    else:
        path.write_text(TEXTS[suffix](compared), encoding="utf-8", newline="")


def _markdown(compared: Comparison) -> str:
    return "\n\n".join(as_markdown.tabular(comparison_table(compared))) + "\n"


def _latex(compared: Comparison) -> str:
    return f"{as_latex.PACKAGES}\n\n{as_latex.tabular(comparison_table(compared), 'compared')}\n"


def _csv(compared: Comparison) -> str:
    """A row for each run, one number per cell."""
    headings = [
        "id", "name", "state", "seed", *compared.differing, "test accuracy (%)", "difference to the first (percentage points)",
        "best validation accuracy (%)", "seconds", "kept for backward (MiB)", "peak memory (MiB)", "gradient error", "parameters",
        "metric at equal step and time", "difference at equal step", "equal step", "difference in equal time", "equal time (s)",
    ]  # fmt: skip
    lines = []
    for each in compared.rows:
        s = each.summary
        settings = [_as_text(each.settings.get(key)) for key in compared.differing]
        seed, seconds = (s.plan.seed, s.seconds) if s.readable else (None, None)
        lines.append([
            s.id, s.name, s.standing, seed, *settings, _times(s.test_accuracy, 100), _times(each.test_accuracy_gain, 100),
            _times(s.best_validation_accuracy, 100), seconds, _times(s.kept_for_backward_bytes, 1 / MIB),
            _times(s.peak_memory_bytes, 1 / MIB), s.gradient_error, s.parameters, *_matched(each),
        ])  # fmt: skip
    return as_csv.written(headings, lines)


def _matched(each: ComparedRun) -> list[str | float | None]:
    """The metric with its unit, then difference and place at the same step and in the same time."""
    gains = (each.at_equal_step, each.in_equal_time)
    gain = gains[0] or gains[1]
    if gain is None:
        return [None] * 5
    percent = gain.metric.endswith("_accuracy")
    places = [
        number
        for g in gains
        for number in ((g.difference * (100 if percent else 1), g.at) if g else (None, None))
    ]
    return [f"{gain.metric.replace('_', ' ')}{' (%)' if percent else ''}", *places]


def _as_text(setting: object) -> str | int | float | None:
    """A setting as a cell: a number as it is, anything else as text."""
    if isinstance(setting, bool):
        return toml(setting)
    if setting is None or isinstance(setting, str | int | float):
        return setting
    return str(setting)


def _times(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


TEXTS: Mapping[str, Callable[[Comparison], str]] = {
    "md": _markdown,
    "tex": _latex,
    "csv": _csv,
    "json": lambda compared: json_text(rows.comparison(compared)) + "\n",
}
"""What writes a comparison as text, by suffix."""


def _sheet(compared: Comparison, runs: Sequence[Run]) -> "Sheet":
    """The metrics of PANELS that some run has, over epochs, a curve for each run; below them accuracy against each cost."""
    panels = [p for p in PANELS if any(p[0] in run.series for run in runs)]
    if not panels:
        raise WrongState("no run has finished an epoch: there is no curve to draw")
    scatters = compared.scatters
    rows, columns = 2 if scatters else 1, max(len(panels), len(scatters))
    size = drawing.WIDTH, drawing.HEIGHT * rows
    figure, grid = drawing.grid(rows, columns, size=size)
    for axes, (metric, title, scale) in zip(grid[0], panels, strict=False):
        _curves(axes, runs, metric, scale)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(drawing.whole_numbers())
    for axes, scatter in zip(grid[-1], scatters, strict=False):
        _scatter(axes, scatter, runs)
    used = [*grid[0][: len(panels)], *(grid[1][: len(scatters)] if scatters else ())]
    for axes in (axes for row in grid for axes in row if axes not in used):
        axes.set_visible(False)
    drawing.legend(figure, grid[0][0])
    return figure


def _curves(axes: "Axes", runs: Sequence[Run], metric: str, scale: float) -> None:
    for index, run in enumerate(runs):
        if metric in run.series:
            style = drawing.style(index)
            xs, ys = _epochs(run, metric), [y * scale for y in run.series[metric].values]
            axes.plot(
                xs, ys, style.line, color=style.colour, linewidth=1.4, label=drawing.label(run.summary.name),
            )  # fmt: skip


def _scatter(axes: "Axes", scatter: Scatter, runs: Sequence[Run]) -> None:
    """A point for each run in the colour of its curve, and the front as a line of steps."""
    if scatter.logarithmic:
        drawing.logarithmic(axes)
    indices = {run.id: index for index, run in enumerate(runs)}
    axes.step(*zip(*scatter.steps, strict=True), where="post", color="0.6", linewidth=1, zorder=1)
    for run_id, x, y in scatter.points:
        style = drawing.style(indices[run_id])
        filled = style.colour if run_id in scatter.front else "none"
        axes.plot(
            x, y, style.marker, color=style.colour, markerfacecolor=filled, markersize=6, zorder=2,
        )  # fmt: skip
    axes.set_xlabel(f"{scatter.cost} ({scatter.unit})")
    axes.set_ylabel("test accuracy (%)")


def _epochs(run: Run, metric: str) -> list[float]:
    """The epochs at whose ends a metric was recorded."""
    series, per_epoch = run.series[metric], run.facts.get("steps_per_epoch")
    divisor = per_epoch if isinstance(per_epoch, int) and per_epoch else 1
    return [series.step_at(index) / divisor for index in range(series.length)]
