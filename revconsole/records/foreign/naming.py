"""Naming: under which of our names a metric of another tool is shown, so that a chart has it beside those of our runs."""

from collections.abc import Mapping

from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import Direction, MetricDeclared
from revconsole.records.metric_names import our_name
from revconsole.records.printable import one_line

LOSS = "loss"
FRACTION = "accuracy"


def our_names(columns: Mapping[str, MetricColumn]) -> dict[str, str]:
    """Our name for each metric, by its own.

    A metric keeps its own name if we have none for it, if another has ours already, and an accuracy above 1, which is in
    percent or something else.
    """
    taken, names = set(columns), dict[str, str]()
    for theirs, column in columns.items():
        ours = our_name(theirs)
        renamed = ours != theirs and ours not in taken and not _no_fraction(ours, column)
        names[theirs] = ours if renamed else theirs
        taken.add(names[theirs])
    return names


def declared(theirs: str, ours: str, tool: str, axis: str) -> MetricDeclared:
    """The declaration of a metric that a tool calls `theirs`. axis: the metric whose values are its steps, if one is."""
    meaning = f"As {tool} recorded it" + (f", there called {theirs}." if theirs != ours else ".")
    if axis:
        meaning += f" Its steps are those of {one_line(axis)}."
    fraction = ours.endswith(FRACTION) and ours != theirs
    direction: Direction = "up" if FRACTION in ours else "down" if LOSS in ours else "none"
    return MetricDeclared(
        name=ours,
        unit="fraction" if fraction else "",
        per="step",
        direction=direction,
        meaning=meaning,
    )


def _no_fraction(name: str, column: MetricColumn) -> bool:
    if not name.endswith(FRACTION) or not column.values:
        return False
    return column.pyramid.extremes(0, len(column.values)).high > 1
