"""Files of a benchmark: its figures for a page, and its rows as CSV."""

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from revconsole.errors import StoreError
from revconsole.lab.curves.benchmarks import figures
from revconsole.lab.curves.figures import Figure
from revconsole.lab.format import MIB
from revconsole.lab.report import drawing
from revconsole.lab.report.formats import as_csv
from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = tuple(f".{word}" for word in drawing.UNDATED)
ACROSS = 2
TITLE = 30
"""Letters of a line of a panel's title."""
PANEL = 2.6
"""Height of a row of panels in inches."""
WAYS = {"stored": "--", "checkpointed": ":"}
"""Lines of the plain network's backwards; any other curve is reversed."""
HEADINGS = (
    "depth", "scheme", "backward", "batch", "step median (ms)", "step lower quartile (ms)", "step upper quartile (ms)",
    "step by plain", "step by own stored", "limit", "work by plain", "kept for backward (MiB)", "peak (MiB)",
    "foreseen peak (MiB)", "largest batch", "parameters", "failed",
)  # fmt: skip


def draw(benchmark: Benchmark, path: Path) -> None:
    """Write every figure as a panel of one file: SVG, PNG or PDF. Raises StoreError, and NotLoaded without matplotlib."""
    found = figures(benchmark)
    with drawing.drawn():
        rows = max(1, -(-len(found) // ACROSS))
        sheet, grid = drawing.grid(rows, ACROSS, size=(drawing.WIDTH, PANEL * rows))
        places = [axes for row in grid for axes in row]
        schemes = _schemes(benchmark)
        for axes, figure in zip(places, found, strict=False):
            _panel(axes, figure, schemes)
        for spare in places[len(found) :]:
            spare.set_visible(False)
        drawing.legend(sheet, *places[: len(found)])
        drawing.save(sheet, path)


def write_csv(benchmark: Benchmark, path: Path) -> None:
    """Write a row for each configuration, one number per cell with all its digits. Raises StoreError."""
    text = as_csv.written(HEADINGS, [_line(benchmark, row) for row in benchmark.rows])
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def _schemes(benchmark: Benchmark) -> list[str]:
    return list(dict.fromkeys(row.scheme for row in benchmark.rows))


def _panel(axes: "Axes", figure: Figure, schemes: list[str]) -> None:
    for curve in figure.curves:
        scheme, _, way = curve.label.rpartition(", ")
        scheme, way = (scheme, way) if scheme in schemes else (curve.label, "")
        style = drawing.style(schemes.index(scheme))
        axes.plot(
            curve.xs, curve.ys, WAYS.get(way, "-"), color=style.colour, marker=style.marker, markersize=4, linewidth=1.2,
            label=drawing.label(curve.label), markerfacecolor="white" if way == "checkpointed" else style.colour,
        )  # fmt: skip
    axes.set_title("\n".join(wrap(figure.title, TITLE)), fontsize="small")
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    axes.set_ylim(bottom=0.0)


def _line(benchmark: Benchmark, row: BenchmarkRow) -> list[str | int | float | None]:
    step = row.step
    times = (step.median, step.low, step.high) if step else (None, None, None)
    sizes = (row.kept_bytes, row.peak_bytes, row.foreseen_peak)
    return [
        row.depth, row.scheme, row.backward, row.batch, *(None if t is None else 1000 * t for t in times),
        benchmark.of_plain(row), benchmark.of_own(row), benchmark.limit(row), benchmark.work(row),
        *(None if size is None else size / MIB for size in sizes),
        benchmark.largest_batch(row), row.parameters, row.failed,
    ]  # fmt: skip
