"""Inline: runs in a few lines that are drawn again in place, below what the terminal has shown already."""

import sys
from collections.abc import Sequence
from typing import TextIO

from revconsole.cli import table
from revconsole.lab import format as form
from revconsole.lab.curves.cells import Marker, usual_marker
from revconsole.lab.listing.sparks import sparkline
from revconsole.lab.listing.texts import epochs
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

BAR, CURVE, LONGEST_NAME = 16, 12, 28
UP, CLEAR = "\x1b[{}A", "\r\x1b[2K"
"""Escape sequences: go up so many lines; clear the line."""


class InlineView:
    """Lines at the end of a terminal's output that replace one another. stream: a terminal."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream, self._lines = stream, 0

    def draw(self, runs: Sequence[Summary]) -> None:
        """A line for each run in place of the lines before; nothing is written if nothing has changed."""
        width = max(20, table.width_of(self._stream) - 1)
        self._put([run_line(run, width) for run in runs])

    def say(self, text: str) -> None:
        """Print a line above, which stays."""
        width = max(20, table.width_of(self._stream) - 1)
        self._clear()
        self._stream.write(f"{table.sentence(one_line(text, 2000), width)}\n")

    def _put(self, lines: Sequence[str]) -> None:
        self._clear()
        self._stream.write("".join(f"{CLEAR}{line}\n" for line in lines))
        self._stream.flush()
        self._lines = len(lines)

    def _clear(self) -> None:
        """Take the lines away, and be where the first of them was."""
        if self._lines:
            up = UP.format(self._lines)
            self._stream.write(up + f"{CLEAR}\n" * self._lines + up)
        self._lines = 0


def run_line(run: Summary, width: int, marker: Marker | None = None) -> str:
    """State, progress and newest values of a run in at most `width` cells; what matters least is left out first."""
    name = form.shortened(one_line(run.name), min(LONGEST_NAME, max(8, width // 3)))
    marker = marker or usual_marker()
    parts = [name, run.standing, *_progress(run, marker), *_measured(run, marker)]
    while len(parts) > 2 and form.cells("  ".join(parts)) > width:
        parts.pop()
    return form.shortened("  ".join(parts), width)


def _progress(run: Summary, marker: Marker) -> list[str]:
    """A bar and the epochs; nothing before the number of steps is known."""
    if not run.readable or not run.steps:
        return [epochs(run)] if run.program else []
    filled = round(BAR * min(1.0, run.step / run.steps))
    full, empty = ("#", ".") if marker == "ascii" else ("█", "░")
    return [f"{full * filled}{empty * (BAR - filled)} {epochs(run)}"]


def _measured(run: Summary, marker: Marker) -> list[str]:
    """What was measured last, the most telling first."""
    speed = run.metrics.get("images_per_second")
    accuracy = run.test_accuracy if run.ended else None
    parts = [
        f"test {form.percent(accuracy)}" if accuracy is not None else "",
        f"loss {form.value(run.loss)}" if run.loss is not None else "",
        f"val {form.percent(run.best_validation_accuracy)}"
        if run.best_validation_accuracy is not None
        else "",
        f"eta {form.duration(run.eta_seconds)}" if run.eta_seconds is not None else "",
        sparkline(run.loss_curve, CURVE, marker),
        f"{speed:,.0f} images/s" if speed is not None and not run.ended else "",
        f"after {form.duration(run.seconds)}" if run.ended else "",
    ]
    return [part for part in parts if part]
