"""Readout: the line that says what every chart is at the cursor."""

import math
import time
from collections.abc import Sequence

from rich.text import Text

from revconsole.lab import format as shown
from revconsole.lab.curves import axes, cursor
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.units import worded
from revconsole.records.runs.run import Run

ALSO = (("learning_rate", "lr"), ("gradient_norm", "gradient norm"))
"""Metrics that are named at the end, unless a chart shows them."""
EQUAL = 1e-12


def line(
    figures: Sequence[Figure], run: Run, x: float, *, letter: str = "", baseline: str = ""
) -> Text:
    """Step, epoch and time of a run at the cursor, then the values of its curves and their distance to the baseline."""
    read = list(cursor.read(figures, x, run_id=run.id, baseline=baseline))
    text = Text(no_wrap=True, overflow="ellipsis")
    step = min(
        (each.reading.step for each in read if abs(each.reading.x - x) <= EQUAL), default=None
    )
    step = read[0].reading.step if step is None and read else step
    text.append(" · ".join(place(run, step)) if step is not None else "", style="bold")
    text.append(f" {letter}" if letter else "", style="bold")
    title = ""
    for each in read:
        unit = each.figure.y_label
        text.append(f"   {each.figure.title} " if each.figure.title != title else "  ", style="dim")
        title = each.figure.title
        text.append(f"{each.curve.word} " if each.curve.word else "", style="dim")
        text.append(worded(each.reading.y, unit), style="not bold")
        if each.curve.weight:
            text.append(f" (raw {worded(each.reading.raw, unit)})", style="dim")
        if each.delta is not None:
            text.append(f" Δ {worded(each.delta, unit, signed=True)}")
    if step is not None:
        drawn = {each.curve.points.series.metric.name for each in read if each.curve.points}
        text.append_text(_also(run, step, drawn))
    return text


def place(run: Run, step: int) -> list[str]:
    """Step, epoch, time since the start and time of day of a step."""
    parts = [f"step {step:,}"]
    each = run.facts.get("steps_per_epoch")
    if isinstance(each, int) and each > 0:
        parts.append(f"epoch {step / each:.4g}")
    elapsed, wall = axes.place(run, axes.ELAPSED)(step), axes.place(run, axes.WALL)(step)
    if math.isfinite(elapsed) and math.isfinite(wall):  # not where the log has no times
        parts.append(shown.clock(elapsed))
        parts.append(time.strftime("%H:%M:%S", time.localtime(wall)))
    return parts


def _also(run: Run, step: int, drawn: set[str]) -> Text:
    text = Text()
    for name, word in ALSO:
        series = run.series.get(name)
        if series is None or name in drawn or not series.length:
            continue
        value = series.value_at(series.index_at(step))
        text.append(f"   {word} ", style="dim")
        text.append(shown.value(value))
    return text
