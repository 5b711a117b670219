"""RunsScreen: every run of the store, live; from here everything else is reached."""

from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input

from revconsole.console import rows
from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.steering import SteeringScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable
from revconsole.console.widgets.panes import Problem, Title, Words
from revconsole.console.widgets.prompt import Prompt
from revconsole.lab.format import told_apart
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

MOST_COMPARED = 8
MOST_SHOWN = 500
"""Rows. The first in the order asked for; a table of ten thousand would hold the keys up at every change."""
ORDERS: dict[str, tuple[Callable[[Summary], Any], bool]] = {
    "newest first": (lambda r: r.created, True),
    "best accuracy first": (lambda r: _or_least(r.best_validation_accuracy), True),
    "running first": (lambda r: (r.ended, -r.created), False),
    "least memory kept first": (lambda r: _or_most(r.kept_for_backward_bytes), False),
    "name": (lambda r: r.name, False),
}


class RunsScreen(SteeringScreen):
    """The table of runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "launch", "New", id="runs.launch"),
        Binding("t", "studies", "Studies", id="runs.studies"),
        Binding("space", "mark", "Mark", key_display="␣", id="runs.mark"),
        Binding("c", "compare", "Compare", id="runs.compare"),
        Binding("s", "stop", "Stop", id="runs.stop"),
        Binding("p", "pause", "Pause", show=False, id="runs.pause"),
        Binding("r", "resume", "Resume", id="runs.resume"),
        Binding("d", "hand_over", "Move to the background", show=False, id="runs.hand-over"),
        Binding("slash", "filter", "Filter", key_display="/", id="runs.filter"),
        Binding("o", "order", "Order", show=False, id="runs.order"),
        Binding("y", "copy", "Copy the id", show=False, id="runs.copy"),
        Binding("escape", "clear", "Clear filter and marks", show=False, id="runs.clear"),
    ]

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._marked: list[str] = []
        self._words = ""
        self._order = 0

    def compose(self) -> ComposeResult:
        """Title, table, what to do if there is none, filter, keys."""
        yield Title()
        yield Problem()
        yield LiveTable(id="runs")
        yield Words(id="nothing")
        yield Prompt(
            placeholder="words of name, state, scheme, …",
            id="filter",
            compact=True,
            select_on_focus=False,
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the table."""
        self.add_class("-empty")
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def on_screen_resume(self) -> None:
        """Only rows are needed here."""
        self.reader.want(WantedByScreen())
        self.redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Bring the table up to date."""
        chosen = self._chosen(snapshot)
        self._say(snapshot, len(chosen))
        if not self.size.width:
            return
        runs = chosen[:MOST_SHOWN]
        self._show_rows(runs, max((len(run.name) for run in snapshot.summaries), default=0))
        self.set_class(not runs, "-empty")
        if runs and self.focused is None:
            self.query_one(LiveTable).focus()
        self.show_keys()

    def action_open(self) -> None:
        """Open the run under the cursor."""
        run = self.at_hand()
        if run is not None:
            from revconsole.console.screens.run import RunScreen  # plots load when first shown

            self.app.push_screen(RunScreen(self.reader, run.id))

    def action_launch(self) -> None:
        """Open the launch form with the settings of the run under the cursor."""
        self.launch_like(self.at_hand())

    def action_studies(self) -> None:
        """List the studies, each of several arms over the same seeds."""
        from revconsole.console.screens.studies import StudiesScreen  # as above

        self.app.push_screen(StudiesScreen(self.reader))

    def action_mark(self) -> None:
        """Mark or unmark the run for comparison."""
        run = self.at_hand()
        if run is None:
            return
        if run.id in self._marked:
            self._marked.remove(run.id)
        elif len(self._marked) < MOST_COMPARED:
            self._marked.append(run.id)
        else:
            self.refuse(f"at most {MOST_COMPARED} runs are compared at once")
        self.query_one(LiveTable).action_cursor_down()
        self.redraw()

    def action_compare(self) -> None:
        """Compare the marked runs; the first marked is the baseline."""
        existing = {run.id for run in self.reader.latest.summaries}
        chosen = [run_id for run_id in self._marked if run_id in existing]
        if len(chosen) < 2:
            self.refuse("mark two or more runs with space, then press c")
            return
        from revconsole.console.screens.comparison import ComparisonScreen  # as above

        self.app.push_screen(ComparisonScreen(self.reader, chosen))

    def action_filter(self) -> None:
        """Filter the runs by words."""
        self.query_one(Prompt).open()

    def action_order(self) -> None:
        """Change the sort order."""
        self._order = (self._order + 1) % len(ORDERS)
        self.redraw()

    def action_copy(self) -> None:
        """Copy the run's id."""
        run = self.at_hand()
        if run is not None:
            self.app.copy_to_clipboard(run.id)
            self.post_message(Said(f"copied {run.id}"))

    def action_clear(self) -> None:
        """Clear the filter first, then the marks."""
        if self._words or self.query_one(Prompt).display:
            self.query_one(Prompt).value = ""
            self._close_filter()
        else:
            self._marked.clear()
        self.redraw()

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self.show_keys()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_open()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._words = event.value
        self.redraw()

    @on(Input.Submitted, "#filter")
    def _close_filter(self) -> None:
        if not self.query_one(Prompt).value:
            self.query_one(Prompt).close()
        self.query_one(LiveTable).focus()

    def _show_rows(self, runs: list[Summary], longest: int) -> None:
        """Columns that fit, and names that can be told apart in theirs. longest: of all names, shown or not."""
        fields, variables = rows.fitting(self.size.width, longest), self.app.theme_variables
        columns = rows.columns(fields, self.size.width)
        room = next((column.width for column in columns if column.key == "name"), 1)
        names = told_apart([one_line(run.name) for run in runs], room)
        marked = set(self._marked)
        table = self.query_one(LiveTable)
        table.set_columns(columns)
        table.set_rows([
            (r.id, rows.cells(fields, r, name, variables, marked=r.id in marked))
            for r, name in zip(runs, names, strict=True)
        ])  # fmt: skip

    def at_hand(self) -> Summary | None:
        """The run under the cursor."""
        run_id = self.query_one(LiveTable).selected
        return self.reader.latest.summary(run_id) if run_id else None

    def _chosen(self, snapshot: Snapshot) -> list[Summary]:
        key, descending = list(ORDERS.values())[self._order]
        found = [run for run in snapshot.summaries if rows.matches(run, self._words)]
        return sorted(found, key=key, reverse=descending)

    def _say(self, snapshot: Snapshot, chosen: int) -> None:
        """Title line, trouble with the store, and what to do if nothing is there.

        chosen: how many runs fit the filter.
        """
        total = len(snapshot.summaries)
        waiting = sum(run.state == "queued" for run in snapshot.summaries)
        training = sum(not run.ended for run in snapshot.summaries) - waiting
        counts = f"{total} runs" if total != 1 else "1 run"
        parts = [
            counts,
            f"the first {MOST_SHOWN} of {chosen} shown, / finds others"
            if chosen > MOST_SHOWN
            else "",
            f"{training} training" if training else "",
            f"{waiting} waiting" if waiting else "",
            f"filter {self._words!r}" if self._words else "",
            f"{len(self._marked)} marked" if self._marked else "",
            list(ORDERS)[self._order] if self._order else "",
            str(self.reader.lab.store.root),
        ]
        self.query_one(Title).say(*parts)
        self.query_one(Problem).say(snapshot.problem or snapshot.strays)
        self.query_one("#nothing", Words).show_text(Text(self._nothing(snapshot)))

    def _nothing(self, snapshot: Snapshot) -> str:
        if not snapshot.complete:
            return "Reading runs…"
        if snapshot.summaries:
            return f"No run has {self._words!r} in it.\nesc clears the filter"
        return "No runs yet.\n\nn launches one   t lists the studies   ? lists all keys   q quits"


def _or_least(value: float | None) -> float:
    return -1.0 if value is None or value != value else value  # noqa: PLR0124  NaN


def _or_most(value: float | None) -> float:
    return float("inf") if value is None else value
