"""Rows: a run as cells of the runs table, and which columns fit a width."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.text import Text

from revconsole.console import states
from revconsole.console.colours import themed
from revconsole.console.widgets.live_table import TableColumn
from revconsole.lab import format as shown
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

Variables = dict[str, str]
LEAST_NAME, TELLING_NAME, MOST_NAME = 12, 24, 44
"""Columns of a name: at least, where names are longer before other columns are shown, and at most."""
MARK = "◆"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column of the runs table and how a run fills it. The lower `rank`, the longer it stays."""

    column: TableColumn
    rank: int
    text: Callable[[Summary], str]


def _field(
    rank: int,
    key: str,
    label: str,
    width: int,
    text: Callable[[Summary], str],
    *,
    right: bool = True,
) -> Field:
    column = TableColumn(key=key, label=label, width=width, right=right)
    return Field(column=column, rank=rank, text=text)


def _epoch(run: Summary) -> str:
    return f"{run.epoch}/{run.plan.epochs}"


def _architecture(run: Summary) -> str:
    model = run.plan.model
    return model.name if model.architecture == "timm" else model.architecture


def _bare_memory(size: int | None) -> str:
    return shown.memory(size).removesuffix(" MiB")


FIELDS: tuple[Field, ...] = (
    _field(0, "mark", "", 1, lambda _: "", right=False),
    _field(0, "state", "state", 10, lambda r: r.state, right=False),
    _field(0, "name", "name", LEAST_NAME, lambda r: r.name, right=False),
    _field(9, "architecture", "arch", 6, _architecture, right=False),
    _field(1, "scheme", "scheme", 8, lambda r: r.plan.scheme.name, right=False),
    _field(4, "backward", "backward", 10, lambda r: r.plan.backward, right=False),
    _field(8, "dataset", "dataset", 13, lambda r: r.plan.data.dataset, right=False),
    _field(2, "epoch", "epoch", 7, _epoch),
    _field(3, "eta", "ETA", 7, lambda r: shown.clock(r.eta_seconds)),
    _field(1, "best", "val", 7, lambda r: shown.percent(r.best_validation_accuracy)),
    _field(4, "test", "test", 7, lambda r: shown.percent(r.test_accuracy)),
    _field(6, "peak", "peak MiB", 8, lambda r: _bare_memory(r.peak_memory_bytes)),
    _field(7, "kept", "kept MiB", 8, lambda r: _bare_memory(r.kept_for_backward_bytes)),
    _field(10, "time", "time", 7, lambda r: shown.clock(r.seconds)),
    _field(11, "id", "id", 8, lambda r: r.id),
)


def fitting(width: int, longest: int = 0) -> list[Field]:
    """The fields that fit `width` cells beside a name of readable length, in the order of display.

    longest: of the names that are to be shown. Long ones need more columns to be told apart.
    """
    room, kept = width - 1 - max(0, min(longest, TELLING_NAME) - LEAST_NAME), []
    for field in sorted(FIELDS, key=lambda f: f.rank):
        room -= field.column.width + 1
        if room < 0:
            break
        kept.append(field)
    return [field for field in FIELDS if field in kept]


def columns(fields: list[Field], width: int) -> list[TableColumn]:
    """Their columns; what is left of `width` goes to the name."""
    taken = sum(f.column.width + 1 for f in fields if f.column.key != "name")
    name = min(MOST_NAME, max(LEAST_NAME, width - 2 - taken))
    return [
        TableColumn(key="name", label="name", width=name, right=False)
        if field.column.key == "name"
        else field.column
        for field in fields
    ]


def cells(
    fields: list[Field], run: Summary, name: str, variables: Variables, *, marked: bool
) -> tuple[Text, ...]:
    """One run as a row. name: as long as its column allows."""
    dim = "" if not run.ended or run.state == "finished" else "dim"
    special: Mapping[str, Text] = {
        "mark": Text(MARK if marked else " ", style=themed(variables, "accent")),
        "state": states.shown(run.state, variables, alarm=run.alarm, brief=True),
        "name": Text(name, style=dim),
    }
    return tuple(
        special.get(f.column.key) or Text(one_line(f.text(run)), style=dim) for f in fields
    )


def matches(run: Summary, words: str) -> bool:
    """Whether every word is somewhere in what the table says of a run."""
    plan = run.plan
    said = (run.name, run.id, run.standing, plan.scheme.name, plan.backward, plan.data.dataset)
    text = " ".join((*said, _architecture(run), plan.profile)).lower()
    return all(word in text for word in words.lower().split())
