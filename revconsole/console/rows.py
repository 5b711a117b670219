"""Rows: the columns of the runs table that fit a width, and the cells of a run or a group."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from revconsole.console import states
from revconsole.console.colours import muted, themed
from revconsole.console.run_list import ListedRow
from revconsole.console.widgets.live_table import TableColumn, spaced
from revconsole.lab.curves.cells import usual_marker
from revconsole.lab.format import cells as width_of
from revconsole.lab.listing.fields import RunField, named
from revconsole.lab.listing.sparks import sparkline
from revconsole.lab.listing.texts import epochs, group_text, text
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

Variables = dict[str, str]
SHORTEST_NAME, LEAST_NAME, TELLING_NAME, MOST_NAME = 8, 12, 24, 44
"""Width of the name's column: the minimum where columns tell runs apart; the usual minimum; what it gets where only names do;
the maximum."""
MOST_SETTING = 14
"""Widest column of a setting or of a chosen field that is text."""
MARKER = usual_marker()
CURVE, MOST_CURVE = 10, 24
"""Width of the curve, and the most it gets of what is left."""
MARK, BASELINE, MARKED_BASELINE = "◆", "◇", "◈"
CLOSED, OPEN = "▸", "▾"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowColumn:
    """A column of the table, and the text of a row in it. Columns with a low `rank` are kept longest."""

    column: TableColumn
    rank: int
    text: Callable[[ListedRow], str]
    field: RunField | None = None
    grouped_width: int = 0
    """Width with groups, where means have their deviation; 0 for the usual width."""


def _of_field(rank: int, name: str, width: int, grouped: int = 0) -> RowColumn:
    """The column of a field."""
    field = named(name)
    column = TableColumn(key=field.key, label=field.label, width=width, right=_right(field))
    return RowColumn(
        column=column, rank=rank, text=_cell_of(field), field=field, grouped_width=grouped
    )


def _cell_of(field: RunField) -> Callable[[ListedRow], str]:
    return lambda row: group_text(field, row.group) if row.group else text(field, row.run)


def _right(field: RunField) -> bool:
    return field.kind not in {"text", "words"}


def _special(
    rank: int, key: str, label: str, width: int, cell: Callable[[ListedRow], str]
) -> RowColumn:
    right = key == "epoch"
    column = TableColumn(key=key, label=label, width=width, right=right)
    known = {"epoch": named("progress"), "loss_curve": named("loss")}
    field = named(key) if key in {"name", "state"} else known.get(key)
    return RowColumn(column=column, rank=rank, text=cell, field=field)


def _epoch(row: ListedRow) -> str:
    if row.group is None or row.run.epochs is None:
        return epochs(row.run)
    fewest, most = (f(run.epoch for run in row.runs) for f in (min, max))
    return f"{fewest if fewest == most else f'{fewest}–{most}'}/{row.run.epochs}"


def _curve(row: ListedRow, width: int = CURVE) -> str:
    values = row.group.loss_curve() if row.group else row.run.loss_curve
    return sparkline(values, width, MARKER)


NAME = _special(0, "name", "name", LEAST_NAME, lambda row: row.run.name)
FIRST = (
    _special(0, "mark", "", 1, lambda _: ""),
    _special(0, "state", "state", 10, lambda row: row.run.state),
    NAME,
)
USUAL: tuple[RowColumn, ...] = (
    _of_field(1, "scheme", 8),
    _of_field(6, "backward", 10),
    _special(2, "epoch", "epoch", 7, _epoch),
    _of_field(1, "best", 6, 11),
    _of_field(3, "test", 6, 11),
    _special(4, "loss_curve", "loss", CURVE, _curve),
    _of_field(4, "eta", 7),
    _of_field(7, "age", 6),
    _of_field(8, "kept", 8),
    _of_field(9, "images_per_second", 8),
    _of_field(10, "peak", 8),
    _of_field(11, "time", 7),
    _of_field(12, "dataset", 13),
    _of_field(13, "architecture", 6),
    _of_field(14, "device", 6),
    _of_field(16, "host", 12),
    _of_field(15, "id", 8),
)

DEAR = 7
"""Rank from which a column is worth less than the room between columns."""
PROGRAM = _of_field(1, "program", 12)
"""The column for what recorded a run, where another program recorded some."""


def columns(
    rows: Sequence[ListedRow],
    width: int,
    telling: Sequence[RunField],
    chosen: Sequence[RunField] | None = None,
) -> list[RowColumn]:
    """The columns that fit into `width` cells, in display order; the time left only if a run has some.

    What no column takes goes to the name, then to a second empty cell between columns, then to the curve.

    telling: the settings that tell the runs apart, which come first. chosen: the columns that a user chose instead.
    """
    grouped = any(row.group for row in rows)
    runs = [row.run for row in rows]
    if chosen is None:
        shown = {field.key for field in telling}
        shown |= {"eta"} if all(run.ended for run in runs) else set()
        usual = [_widened(each, grouped=grouped) for each in USUAL if each.column.key not in shown]
        by = [PROGRAM] if any(run.program for run in runs) else []
        offered = [*FIRST, *by, *(_made(field, rows, 1) for field in telling), *usual]
    else:
        offered = [*FIRST, *(_made(field, rows, rank) for rank, field in enumerate(chosen, 1))]
    longest = max((width_of(run.name) for run in runs), default=0)
    several = len({run.name for run in runs}) > 1
    least = max(LEAST_NAME, min(longest, TELLING_NAME)) if several else LEAST_NAME
    if chosen is None and telling:
        short_names = [width_of(_short_name(row) or one_line(row.run.name)) for row in rows]
        least = min(LEAST_NAME, max(SHORTEST_NAME, *short_names))
    dear = DEAR if chosen is None else math.inf
    kept = _fitting(offered, width - 1 - (least - LEAST_NAME), dear)
    spare = width - 1 - sum(each.column.width + 1 for each in kept) - (least - LEAST_NAME)
    wanted = min(longest, MOST_NAME)
    short = chosen is None and telling and wanted > least + spare - (len(kept) - len(FIRST))
    name = least if short else max(least, min(wanted, least + spare))
    spare -= name - least
    apart = spaced([each.column for each in kept], spare, FIRST.index(NAME))
    curve = min(MOST_CURVE, CURVE + spare - sum(column.after for column in apart))
    kept = [replace(each, column=column) for each, column in zip(kept, apart, strict=True)]
    return [_sized(_sized(each, "name", name), "loss_curve", curve) for each in kept]


def cells(
    shown: Sequence[RowColumn],
    row: ListedRow,
    name: str,
    variables: Variables,
    *,
    marked: bool,
    baseline: bool = False,
) -> tuple[Text, ...]:
    """The cells of a row. name: the name of the row, shortened to its column. marked: whether all of its runs are."""
    run = row.run
    curve = next((each.column.width for each in shown if each.column.key == "loss_curve"), CURVE)
    faded = "" if row.group or not run.ended or run.state == "finished" else muted(variables)
    sign = MARKED_BASELINE if marked and baseline else BASELINE if baseline else MARK
    special = {
        "mark": Text(sign if marked or baseline else " ", style=themed(variables, "accent")),
        "state": _state(row, variables),
        "name": Text(name, style="bold" if row.group else faded),
        "loss_curve": Text(_curve(row, curve), style=faded or themed(variables, "text-primary")),
    }
    return tuple(
        special.get(each.column.key) or Text(one_line(each.text(row)), style=faded)
        for each in shown
    )


def names(listed: Sequence[ListedRow], room: int) -> list[str]:
    """The names of the rows; short ones if some are longer than `room`; a run below its group says its seed."""
    full = [one_line(row.group.name if row.group else row.run.name) for row in listed]
    fit = all(width_of(name) <= room for name in full)
    return [
        f"· seed {row.run.plan.seed}" if row.member else name if fit else _short_name(row) or name
        for row, name in zip(listed, full, strict=True)
    ]


def _short_name(row: ListedRow) -> str:
    """The study or profile that a run comes from, if the user has not named it; the columns say what it differs in."""
    plan = row.run.plan
    return one_line(plan.study or plan.profile) if row.run.name == plan.name else ""


def _state(row: ListedRow, variables: Variables) -> Text:
    """The state of a run; of a group whether it is open, the sign of what matters most, and how many have finished."""
    if row.group is None:
        return states.shown(row.run.state, variables, alarm=row.run.alarm, brief=True)
    leading = min(row.runs, key=_weight)
    done = sum(run.state == "finished" for run in row.runs)
    sign = "!" if any(run.alarm for run in row.runs) else states.SIGNS[leading.state]
    colour = "text-error" if sign == "!" else states.COLOURS[leading.state]
    mark = OPEN if row.expanded else CLOSED
    return Text.assemble(
        f"{mark} ", (f"{sign} {done}/{len(row.runs)}", themed(variables, colour)), no_wrap=True
    )


def _weight(run: Summary) -> int:
    """Runs that train first, then those that failed, then those that wait, then those that finished."""
    if run.state == "finished":
        return 3
    return 2 if run.state == "queued" else int(run.ended)


def _made(field: RunField, rows: Sequence[ListedRow], rank: int) -> RowColumn:
    """The column of any field, as wide as its longest cell."""
    cell = _cell_of(field)
    longest = max((width_of(cell(row)) for row in rows), default=0)
    label = field.label if width_of(field.label) <= MOST_SETTING else field.label[:MOST_SETTING]
    width = min(max(longest, width_of(label)), MOST_SETTING)
    column = TableColumn(key=field.key, label=label, width=width, right=_right(field))
    return RowColumn(column=column, rank=rank, text=cell, field=field)


def _widened(each: RowColumn, *, grouped: bool) -> RowColumn:
    if not grouped or not each.grouped_width:
        return each
    return replace(each, column=replace(each.column, width=each.grouped_width))


def _sized(each: RowColumn, key: str, width: int) -> RowColumn:
    """The column with another width, if it is the one of this key."""
    if each.column.key != key:
        return each
    return replace(each, column=replace(each.column, width=width))


def _fitting(offered: Sequence[RowColumn], room: int, dear: float) -> list[RowColumn]:
    """The columns that fit; those with the same rank from left to right, and those from the rank `dear` on only if all stand apart."""
    kept: list[RowColumn] = []
    for each in sorted(offered, key=lambda each: each.rank):
        room -= each.column.width + 1
        if room < (len(kept) if each.rank >= dear else 0):
            break
        kept.append(each)
    return [each for each in offered if each in kept]
