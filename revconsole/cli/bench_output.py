"""Output of a benchmark: on a terminal one table per depth, in a pipe tab-separated lines; figures as text, or drawn."""

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from revconsole.cli import output
from revconsole.cli.table import wrapped
from revconsole.errors import ProfileError, StoreError
from revconsole.lab import bench_files
from revconsole.lab import format as form
from revconsole.lab.bench_files import SUFFIXES
from revconsole.lab.curves import canvas
from revconsole.lab.curves.benchmarks import figures
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.colours import of_curve
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.measured import measured_points
from revconsole.lab.report.drawing import drawn
from revconsole.lab.writable import require_folder_of
from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow, Update

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

QUIET_SECONDS = 20.0
"""Seconds between two progress lines where stderr is no terminal and a line cannot be overwritten."""
HEAD = (
    "step\nms",
    "quartiles\nms",
    "vs\nplain",
    "vs\nstored",
    "limit",
    "work",
    "kept\nMiB",
    "peak\nMiB",
    "foreseen\nMiB",
    "largest\nbatch",
)
YIELDS = HEAD.index("quartiles\nms")
"""The column that a narrow terminal does without."""
COLUMNS = (
    "depth", "scheme", "backward", "step ms", "lower quartile ms", "upper quartile ms", "vs plain", "vs stored",
    "limit", "work", "kept MiB", "peak MiB", "foreseen peak MiB", "largest batch", "failed",
)  # fmt: skip
WIDTH, HEIGHT = 78, 20
SCHEME_WIDTH = 18
WIDE = 1000
"""Columns that suffice for every table."""


class BenchProgress:
    """Progress of a benchmark on stderr: on a terminal one line that is overwritten, elsewhere a line every `QUIET_SECONDS`."""

    def __init__(self) -> None:
        self._over = sys.stderr.isatty()
        self._said = 0.0
        self._begun = False

    def show(self, update: Update) -> None:
        """Print the expected duration at the first update, the progress at later ones."""
        left = form.duration(update.seconds_left)
        if not self._begun:
            self._begun, self._said = True, time.monotonic()
            bench, facts = update.benchmark.bench, update.benchmark.facts
            rounds = "1 round" if bench.rounds == 1 else f"{bench.rounds} rounds"
            output.say(
                f"{len(bench.configurations)} configurations, {rounds}, on {facts['device']} "
                f"({facts['device_name']}): about {left}; Ctrl-C prints what was measured so far"
            )
        elif self._over:
            typer.echo(
                f"\r\x1b[K{update.share:4.0%}  {update.what}  {left} left", nl=False, err=True
            )
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            output.say(f"{update.share:4.0%}  {update.what}  {left} left")

    def close(self) -> None:
        """Clear the progress line."""
        if self._over and self._begun:
            typer.echo("\r\x1b[K", nl=False, err=True)


def print_benchmark(benchmark: Benchmark) -> None:
    """Print every row on stdout."""
    if sys.stdout.isatty():
        _print_tables(benchmark)
    else:
        output.print_table(COLUMNS, [_line(benchmark, row) for row in benchmark.rows])


def explain(benchmark: Benchmark) -> None:
    """Print on stderr how the benchmark measured, what was left out, and which rows failed."""
    for title, sentence in benchmark.how.items():
        output.say(f"{title}: {sentence}")
    for reason in benchmark.bench.left_out:
        output.say(f"left out: {reason}")
    for row in benchmark.rows:
        if row.failed:
            output.say(f"{row.failed}: {row.scheme}, {row.backward}, depth {form.count(row.depth)}")


def require_drawable(place: str) -> None:
    """Raise ProfileError, StoreError for a folder that is missing, or NotLoaded without matplotlib, unless it can be drawn."""
    suffix = Path(place).suffix
    if place and place != "-" and suffix not in {*SUFFIXES, ".txt"}:
        raise ProfileError(
            "command line",
            "--figure",
            f"should end in .svg, .png, .pdf or .txt, or be -, not {place!r}",
        )
    require_folder(place)
    if suffix in SUFFIXES:
        with drawn():
            pass


def require_folder(place: str) -> None:
    """Raise StoreError if the folder of a file is missing."""
    if place:
        require_folder_of(Path(place))


def draw(benchmark: Benchmark, place: str) -> None:
    """Draw the figures into a file, or on stderr for `-`. Raises StoreError for a file that cannot be written."""
    from rich.console import Console  # only where something is drawn

    if Path(place).suffix in SUFFIXES:
        bench_files.draw(benchmark, Path(place))
        output.say(f"drawn in {place}")
        return
    texts = [_as_text(figure) for figure in figures(benchmark)]
    if place == "-":
        screen = Console(stderr=True, highlight=False)
        for text in texts:
            screen.print(text)
        return
    sheet = Console(record=True, width=WIDTH + 2, file=io.StringIO())
    for text in texts:
        sheet.print(text)
    try:
        sheet.save_text(place)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written: {error.strerror}; choose another --figure"
        ) from None
    output.say(f"drawn in {place}")


def _print_tables(benchmark: Benchmark) -> None:
    from rich.console import Console  # rich: only on a terminal
    from rich.text import Text

    screen = Console(highlight=False)
    for depth in benchmark.depths:
        table = _table(benchmark, depth, range(len(HEAD)))
        wanted = screen.measure(table, options=screen.options.update(max_width=WIDE))
        if wanted.maximum > screen.width:
            table = _table(benchmark, depth, [n for n in range(len(HEAD)) if n != YIELDS])
        screen.print(Text(_title(benchmark.facts, depth), style="bold"))
        screen.print(table)
        screen.print()


def _table(benchmark: Benchmark, depth: int | None, columns: Sequence[int]) -> "Table":
    """The rows of a depth with some of the columns of `HEAD`."""
    from rich.table import Table  # rich: only on a terminal
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(Text("scheme\n  backward"), overflow="fold", max_width=18)
    for column in columns:
        table.add_column(Text(HEAD[column]), justify="right", no_wrap=True)
    scheme = ""
    for row in (row for row in benchmark.rows if row.depth == depth):
        if row.scheme != scheme:
            scheme = row.scheme
            words = wrapped(scheme.replace(":", " ").replace(",", " "), SCHEME_WIDTH)
            table.add_row(Text("\n".join(words)))
        cells = _cells(benchmark, row)
        table.add_row(Text(f"  {row.backward}"), *(Text(cells[column]) for column in columns))
    return table


def _title(facts: Any, depth: int | None) -> str:
    size = (
        f"{facts['tokens']} tokens of width {facts['width']}"
        if "width" in facts
        else facts["model"]
    )
    blocks = "" if depth is None else f"depth {depth}, "
    return f"{blocks}{size}, batch {facts['batch']}, {facts['precision']}, {facts['device']}"


def _cells(benchmark: Benchmark, row: BenchmarkRow) -> list[str]:
    step = row.step
    return [
        form.UNKNOWN if step is None else _milliseconds(step.median),
        form.UNKNOWN if step is None else f"{_milliseconds(step.low)}–{_milliseconds(step.high)}",
        form.ratio(benchmark.of_plain(row)),
        form.ratio(benchmark.of_own(row)),
        form.ratio(benchmark.limit(row)),
        form.ratio(benchmark.work(row)),
        form.memory(row.kept_bytes).removesuffix(" MiB"),
        form.memory(row.peak_bytes).removesuffix(" MiB"),
        form.memory(row.foreseen_peak).removesuffix(" MiB"),
        form.count(benchmark.largest_batch(row)),
    ]


def _line(benchmark: Benchmark, row: BenchmarkRow) -> list[str]:
    """The row for a pipe: plain numbers, empty where a number is unknown."""
    step, largest = row.step, benchmark.largest_batch(row)
    numbers = [
        *((step.median * 1000, step.low * 1000, step.high * 1000) if step else (None,) * 3),
        *(
            benchmark.of_plain(row),
            benchmark.of_own(row),
            benchmark.limit(row),
            benchmark.work(row),
        ),
        *(
            None if size is None else size / form.MIB
            for size in (row.kept_bytes, row.peak_bytes, row.foreseen_peak)
        ),
    ]
    return [
        "" if row.depth is None else str(row.depth),
        row.scheme,
        row.backward,
        *("" if number is None else f"{number:.4g}" for number in numbers),
        "" if largest is None else str(largest),
        row.failed,
    ]


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def _as_text(figure: Figure) -> "Text":
    """A figure as text with colours: its title, the plot, its legend."""
    from rich.text import Text  # only where something is drawn

    marks = [Mark(letter=canvas.letter(n), colour=of_curve(n)) for n in range(len(figure.curves))]
    text = Text(f"{figure.title} ({figure.y_label})\n", style="bold")
    text.append_text(
        Text.from_ansi(measured_points(figure, marks, WIDTH, HEIGHT), style="not bold")
    )
    text.append("\n")
    for mark, curve in zip(marks, figure.curves, strict=True):
        text.append(f"\n  {mark.letter}  {curve.label}", style="not bold")
    return text.append("\n")
