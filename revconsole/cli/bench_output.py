"""How a benchmark is printed: one table per depth on a terminal, tab-separated lines in a pipe, figures drawn."""

import io
import sys
import time
from pathlib import Path
from typing import Any

import typer

from revconsole.cli import output
from revconsole.cli.table import wrapped
from revconsole.errors import ProfileError, StoreError
from revconsole.lab import format as form
from revconsole.lab.curves import canvas
from revconsole.lab.curves.benchmarks import figures
from revconsole.lab.curves.colours import of_curve
from revconsole.lab.curves.figures import Figure
from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow, Update

QUIET_SECONDS = 20.0
"""Between two lines of progress where a line cannot be written over."""
HEAD = (
    "step\nms",
    "quartiles\nms",
    "of\nplain",
    "of\nown",
    "limit",
    "work",
    "kept\nMiB",
    "peak\nMiB",
    "largest\nbatch",
)
COLUMNS = (
    "depth", "scheme", "backward", "step ms", "lower quartile ms", "upper quartile ms", "vs plain", "vs stored",
    "limit", "work", "kept MiB", "peak MiB", "largest batch", "failed",
)  # fmt: skip
WIDTH, HEIGHT = 78, 20
SCHEME_WIDTH = 18


class BenchProgress:
    """How far a benchmark is, on stderr: one line that is written over, or a line every now and then."""

    def __init__(self) -> None:
        self._over = sys.stderr.isatty()
        self._said = 0.0
        self._begun = False

    def show(self, update: Update) -> None:
        """Say how long it will take, once; then how far it is."""
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
        """Wipe the line."""
        if self._over and self._begun:
            typer.echo("\r\x1b[K", nl=False, err=True)


def print_benchmark(found: Benchmark) -> None:
    """Every row, on stdout."""
    if sys.stdout.isatty():
        _print_tables(found)
    else:
        output.print_table(COLUMNS, [_line(found, row) for row in found.rows])


def explain(found: Benchmark) -> None:
    """With what and how it was measured, and what was not, on stderr."""
    for title, sentence in found.how.items():
        output.say(f"{title}: {sentence}")
    for reason in found.bench.left_out:
        output.say(f"left out: {reason}")
    for row in found.rows:
        if row.failed:
            output.say(f"{row.failed}: {row.scheme}, {row.backward}, depth {form.count(row.depth)}")


def require_drawable(place: str) -> None:
    """Raise ProfileError unless a figure can be drawn there."""
    if place and place != "-" and Path(place).suffix not in {".svg", ".txt"}:
        raise ProfileError(
            "command line", "--figure", f"should end in .svg or .txt, or be -, not {place!r}"
        )


def draw(found: Benchmark, place: str) -> None:
    """The figures, into a file or, for `-`, on stderr. Raises StoreError for a file that cannot be written."""
    from rich.console import Console  # only where something is drawn
    from rich.text import Text

    drawn = [Text.from_ansi(_drawn(figure)) for figure in figures(found)]
    if place == "-":
        screen = Console(stderr=True, highlight=False)
        for text in drawn:
            screen.print(text)
        return
    sheet = Console(record=True, width=WIDTH + 2, file=io.StringIO(), force_terminal=True)
    for text in drawn:
        text.highlight_regex(
            " +", "not blink"
        )  # apart, or some viewers move what stands beside blanks
        sheet.print(text)
    try:
        if place.endswith(".svg"):
            sheet.save_svg(place, title="revconsole bench")
        else:
            sheet.save_text(place)
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written: {error.strerror}; choose another --figure"
        ) from None
    output.say(f"drawn in {place}")


def _print_tables(found: Benchmark) -> None:
    from rich.console import Console  # rich: only on a terminal
    from rich.table import Table
    from rich.text import Text

    screen = Console(highlight=False)
    facts = found.facts
    for depth in found.depths:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
        table.add_column(Text("scheme\n  backward"), overflow="fold", max_width=18)
        for head in HEAD:
            table.add_column(Text(head), justify="right", no_wrap=True)
        scheme = ""
        for row in (row for row in found.rows if row.depth == depth):
            if row.scheme != scheme:
                scheme = row.scheme
                words = wrapped(scheme.replace(":", " ").replace(",", " "), SCHEME_WIDTH)
                table.add_row(Text("\n".join(words)))
            table.add_row(Text(f"  {row.backward}"), *map(Text, _cells(found, row)))
        screen.print(Text(_title(facts, depth), style="bold"))
        screen.print(table)
        screen.print()


def _title(facts: Any, depth: int | None) -> str:
    size = (
        f"{facts['tokens']} tokens of width {facts['width']}"
        if "width" in facts
        else facts["model"]
    )
    blocks = "" if depth is None else f"depth {depth}, "
    return f"{blocks}{size}, batch {facts['batch']}, {facts['precision']}, {facts['device']}"


def _cells(found: Benchmark, row: BenchmarkRow) -> list[str]:
    step = row.step
    return [
        form.UNKNOWN if step is None else _milliseconds(step.median),
        form.UNKNOWN if step is None else f"{_milliseconds(step.low)}–{_milliseconds(step.high)}",
        form.ratio(found.of_plain(row)),
        form.ratio(found.of_own(row)),
        form.ratio(found.limit(row)),
        form.ratio(found.work(row)),
        form.memory(row.kept_bytes).removesuffix(" MiB"),
        form.memory(row.peak_bytes).removesuffix(" MiB"),
        form.count(found.largest_batch(row)),
    ]


def _line(found: Benchmark, row: BenchmarkRow) -> list[str]:
    """For a pipe: plain numbers, nothing where one is not known."""
    step, largest = row.step, found.largest_batch(row)
    numbers = [
        *((step.median * 1000, step.low * 1000, step.high * 1000) if step else (None,) * 3),
        *(found.of_plain(row), found.of_own(row), found.limit(row), found.work(row)),
        *(None if size is None else size / form.MIB for size in (row.kept_bytes, row.peak_bytes)),
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


def _drawn(figure: Figure) -> str:
    """A figure as text with colours, its legend below."""
    signs = [canvas.letter(number) for number in range(len(figure.curves))]
    marks = [(sign, of_curve(number, dark=True)) for number, sign in enumerate(signs)]
    legend = "".join(f"\n  {s}  {c.label}" for s, c in zip(signs, figure.curves, strict=True))
    return f"{canvas.drawn(figure, marks, WIDTH, HEIGHT, measured_points=True)}{legend}\n"
