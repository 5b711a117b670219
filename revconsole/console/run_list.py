"""RunList: which rows the runs table shows: filter, order, groups, columns and marks. No widgets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab.listing.columns import telling
from revconsole.lab.listing.fields import RunField, metrics_of, named
from revconsole.lab.listing.groups import Grouping, RunGroup
from revconsole.lab.listing.order import Order, best_first
from revconsole.lab.listing.where import Filter, filter_of
from revconsole.records.runs.run import Summary
from revconsole.records.runs.standing import as_they_go
from revconsole.records.settings.plan import Plan

EVERY = filter_of("")


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row: a run, a group of runs, or a run below its group."""

    key: str
    run: Summary
    """The run; of a group its first."""
    group: RunGroup | None = None
    member: bool = False
    expanded: bool = False

    @property
    def runs(self) -> tuple[Summary, ...]:
        """The runs that the row stands for."""
        return self.group.members if self.group else (self.run,)


@dataclass(slots=True)
class RunList:
    """What a user has asked of the table."""

    order: Order | None = None
    """None for what trains, then the queue in its order, then the newest first."""
    chosen: tuple[RunField, ...] | None = None
    """The columns that a user chose; None for those that tell the runs apart and the usual ones."""
    grouped: bool = False
    expanded: set[str] = field(default_factory=set)
    words: str = ""
    problem: str = ""
    """What is wrong with the filter that is being typed."""
    _filter: Filter = EVERY
    _accepted: Filter = EVERY
    _metrics: tuple[str, ...] = ()
    _grouping: Grouping = field(default_factory=Grouping)
    _plans: tuple[Plan, ...] = ()
    _telling: tuple[RunField, ...] = ()
    _listed: tuple[object, list[ListedRow]] = (None, [])

    def filter(self, words: str, runs: Sequence[Summary]) -> None:
        """Keep only the runs that meet a filter; one with a fault sets `problem`, and the accepted one is in force."""
        self.words = words
        try:
            self._filter, self.problem = filter_of(words, metrics_of(runs)), ""
        except RevconsoleError as error:
            self._filter, self.problem = self._accepted, str(error)

    def accept(self) -> None:
        """Make the filter the one that stays while another is typed."""
        if not self.problem:
            self._accepted = self._filter

    def sort_by(self, wanted: RunField | None) -> None:
        """Sort by a field, the other way round if it is sorted by it already; None for the newest first."""
        if wanted is None:
            self.order = None
        elif self.order is not None and self.order.field.key == wanted.key:
            self.order = Order(wanted, not self.order.descending)
        else:
            self.order = Order(wanted, descending=best_first(wanted))

    def remembered(self) -> dict[str, Any]:
        """Order, groups and columns as values of JSON; `recall` takes them."""
        return {
            "order": self.order.field.key if self.order else "",
            "descending": self.order is not None and self.order.descending,
            "grouped": self.grouped,
            "columns": [field.key for field in self.chosen or ()],
        }

    def recall(self, values: Mapping[str, Any], runs: Sequence[Summary]) -> None:
        """Use remembered or configured values; names that mean nothing among the runs are left out."""
        metrics = metrics_of(runs)
        fields = [field for name in values["columns"] if (field := _known(name, metrics))]
        self.chosen, self.grouped = tuple(fields) or None, values["grouped"]
        order = _known(values["order"], metrics)
        self.order = Order(order, values["descending"]) if order else None

    def rows(self, runs: Sequence[Summary]) -> list[ListedRow]:
        """The rows in their order. runs: newest first. They are made anew only if something has changed."""
        asked = (self._filter, self.order, self.grouped, frozenset(self.expanded))
        key, known = self._listed
        if isinstance(key, tuple) and key[0] is runs and key[1] == asked:
            return known
        listed = list(self._made(self._filter.chosen(runs)))
        self._listed = ((runs, asked), listed)
        return listed

    def telling(self, runs: Sequence[Summary]) -> tuple[RunField, ...]:
        """The columns that tell the shown runs apart, chosen again only if other runs are shown."""
        known = [run for run in runs if run.readable]
        plans = tuple(run.plan for run in known)
        same = len(plans) == len(self._plans) and all(
            a is b for a, b in zip(plans, self._plans, strict=True)
        )
        if not same:
            self._plans = plans
            self._telling = telling(known)
        return self._telling

    def _made(self, runs: list[Summary]) -> list[ListedRow]:
        if not self.grouped:
            ordered = self.order.sorted(runs) if self.order else as_they_go(runs)
            return [ListedRow(run.id, run) for run in ordered]
        groups = list(self._grouping.groups(runs))
        rows: list[ListedRow] = []
        for group in self.order.sorted_groups(groups) if self.order else groups:
            rows += self._of_group(group)
        return rows

    def _of_group(self, group: RunGroup) -> list[ListedRow]:
        """The row of a group, with those of its runs below it if it is open; a group of one run is that run."""
        if len(group.members) == 1:
            return [ListedRow(group.first.id, group.first)]
        oldest = min(group.members, key=lambda run: (run.created, run.id))
        key = f"group {oldest.id}"
        expanded = key in self.expanded
        head = ListedRow(key, group.first, group, expanded=expanded)
        below = [ListedRow(run.id, run, member=True) for run in group.members] if expanded else []
        return [head, *below]


def _known(name: object, metrics: Iterable[str]) -> RunField | None:
    """The field of a name; None for a name that means nothing."""
    try:
        return named(str(name), metrics) if name else None
    except RevconsoleError:
        return None
