"""Gauges: a system as lines of text: a name, a bar, a value; below them the runs that train on the machine."""

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.lab import format as shown
from revconsole.lab.system import System, TrainingHere
from revconsole.lab.system_words import Gauge, groups
from revconsole.records.printable import one_line

NAME, LEAST_BAR, MOST_BAR, VALUE = 19, 8, 48, 38
"""Columns of a gauge's name, of its bar, and of its value."""
LEVELS = "▁▂▃▄▅▆▇█"


def lines(system: System, width: int, variables: Mapping[str, str], history: str = "") -> Text:
    """The system in lines of at most `width` columns. history: heading of the charts below."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for group in groups(system):
        _heading(text, group.title)
        for gauge in group.gauges:
            text.append_text(_gauge(gauge, width, variables))
        for note in group.notes:
            text.append(f" {one_line(note, 400)}\n", style="dim")
        text.append("\n")
    bar = _bar_width(width)
    if len(system.uses) > 1:
        _heading(text, f"processors, last {min(len(system.uses), bar)} readings")
        text.append(f" {spark(system.uses[-bar:])}\n\n", style=themed(variables, "text-accent"))
    _heading(text, "trainings on this machine")
    for row in _table(system.trainings, width):
        text.append_text(row)
    if history:
        text.append("\n")
        _heading(text, history)
    text.rstrip()
    return text


def spark(shares: Sequence[float]) -> str:
    """Shares in [0, 1] as a row of blocks, one column each."""
    return "".join(LEVELS[min(len(LEVELS) - 1, int(share * len(LEVELS)))] for share in shares)


def _heading(text: Text, title: str) -> None:
    text.append(f"{one_line(title, 200)}\n", style="bold")


def _gauge(gauge: Gauge, width: int, variables: Mapping[str, str]) -> Text:
    text = Text(f" {gauge.name:<{NAME}}")
    columns = _bar_width(width)
    filled = round((gauge.share or 0.0) * columns)
    tint = themed(variables, "text-error" if gauge.high else "text-accent")
    text.append("━" * filled, style=tint)
    text.append("─" * (columns - filled) if gauge.share is not None else " " * columns, style="dim")
    text.append(f"  {gauge.value}", style=tint if gauge.high else "")
    text.append("  nearly full\n" if gauge.high and gauge.share is not None else "\n", style=tint)
    return text


def _bar_width(width: int) -> int:
    return max(LEAST_BAR, min(MOST_BAR, width - NAME - VALUE - 4))


def _table(trainings: Sequence[TrainingHere], width: int) -> Iterator[Text]:
    if not trainings:
        yield Text(" none\n", style="dim")
        return
    yield Text(
        f" {'id':<8}  {'state':<9}  {'cores':>5}  {'memory':>10}  {'device':<7}  run\n", style="dim"
    )
    for run in trainings:
        cores = shown.UNKNOWN if run.cores is None else f"{run.cores:.1f}"
        front = (
            f" {run.id:<8}  {run.state:<9}  {cores:>5}  {shown.gibibytes(run.resident):>10}  "
            f"{one_line(run.device, 7):<7}  "
        )
        yield Text(f"{front}{shown.shortened(one_line(run.name), max(8, width - len(front)))}\n")
