"""Listed: a list of runs as a user asks for it: filtered, sorted, grouped, with the columns of their choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.lab import rows
from revconsole.lab.listing.columns import telling
from revconsole.lab.listing.fields import RunField, metrics_of, named
from revconsole.lab.listing.groups import Grouping, RunGroup
from revconsole.lab.listing.order import Order
from revconsole.lab.listing.texts import group_text, text
from revconsole.lab.listing.where import filter_of
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

AUTO = "auto"
ALWAYS = ("epoch", "best", "test", "kept", "time")
"""Columns that stand beside those that tell the runs apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedList:
    """What a user asks for. columns: names between commas. sort: a name, with a minus for the largest first."""

    where: str = ""
    columns: str = ""
    sort: str = ""
    groups: bool = False
    limit: int = 0

    @property
    def plain(self) -> bool:
        """Whether the usual columns are wanted, of single runs."""
        return not (self.columns or self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The runs that are shown, in order; with `groups`, the runs of each row are together."""

    runs: tuple[Summary, ...]
    groups: tuple[RunGroup, ...] | None
    fields: tuple[RunField, ...]
    """The columns asked for, or those that tell the runs apart."""
    asked: bool = False
    """Whether a user named the columns."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and cells."""
        if self.groups is None:
            head = ["id", "name", "state", *(field.label for field in self.fields)]
            return head, [
                [run.id, run.name, run.standing, *(text(field, run) for field in self.fields)]
                for run in self.runs
            ]
        head = ["name", "runs", "finished", *(field.label for field in self.fields)]
        return head, [
            [group.name, *_counts(group), *(group_text(field, group) for field in self.fields)]
            for group in self.groups
        ]

    def json(self) -> list[dict[str, Any]]:
        """The rows as in `ls --json`, with the columns that were asked for by their keys."""
        if self.groups is None:
            return [rows.row(run) | self._values(run) for run in self.runs]
        return [
            {
                "name": group.name,
                "ids": [run.id for run in group.members],
                "seeds": list(group.seeds),
                **{field.key: _statistics(field, group) for field in self.fields},
            }
            for group in self.groups
        ]

    def _values(self, run: Summary) -> dict[str, Any]:
        if not self.asked:
            return {}
        return {"columns": rows.finite({f.key: f.value(run) for f in self.fields})}


def list_of(runs: Sequence[Summary], wanted: WantedList) -> Listed:
    """The list that a user asks for. runs: newest first. Raises BadFilter, UnknownName and AmbiguousName."""
    metrics = metrics_of(runs)
    chosen = filter_of(wanted.where, metrics).chosen(runs)
    order = _order(wanted.sort, metrics)
    names = [name.strip() for name in wanted.columns.split(",") if name.strip()]
    asked = bool(names) and names != [AUTO]
    fields = [named(name, metrics) for name in names] if asked else _usual(chosen, wanted)
    fields = list({field.key: field for field in fields}.values())
    if not wanted.groups:
        chosen = order.sorted(chosen) if order else chosen
        chosen = chosen[: wanted.limit or None]
        return Listed(runs=tuple(chosen), groups=None, fields=tuple(fields), asked=asked)
    groups = list(Grouping().groups(chosen))
    groups = (order.sorted_groups(groups) if order else groups)[: wanted.limit or None]
    members = tuple(run for group in groups for run in group.members)
    return Listed(runs=members, groups=tuple(groups), fields=tuple(fields), asked=asked)


def _order(sort: str, metrics: dict[str, None]) -> Order | None:
    if not sort:
        return None
    return Order(named(sort.removeprefix("-"), metrics), descending=sort.startswith("-"))


def _usual(runs: Sequence[Summary], wanted: WantedList) -> list[RunField]:
    """The columns that tell the runs apart, and the usual measurements."""
    if wanted.plain:
        return []
    return [*telling([run for run in runs if run.readable]), *map(named, ALWAYS)]


def _counts(group: RunGroup) -> tuple[str, str]:
    finished = sum(run.state == "finished" for run in group.members)
    return str(len(group.members)), str(finished)


def _statistics(field: RunField, group: RunGroup) -> Any:
    """Mean, deviation and number of the values of a measurement; the value of what all runs share."""
    values = [field.value(run) for run in group.members]
    if len({repr(value) for value in values}) == 1 and field.setting:
        return rows.finite({"value": values[0]})["value"]
    mean = None if field.kind in {"text", "words", "mixed"} else group.spread(field)
    if mean is None:
        return [one_line(str(value)) for value in values]
    return rows.finite({"mean": mean.mean, "deviation": mean.deviation, "n": mean.n})
