"""RunsScreen: every run of the store, live; the other screens are reached from here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Middle
from textual.screen import Screen
from textual.widgets import DataTable, Input

from revconsole.console import aside, clipboard, rows, tabs
from revconsole.console.reader import Reader
from revconsole.console.run_list import ListedRow, RunList
from revconsole.console.run_words import field_name, nothing, title
from revconsole.console.screens.keeping import KeepingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.view_state import config_of, views_of
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable
from revconsole.console.widgets.panes import Problem, Title, Words
from revconsole.console.widgets.preview import Preview
from revconsole.console.widgets.prompt import Prompt
from revconsole.lab.format import told_apart
from revconsole.lab.listing.fields import RunField, every, metrics_of, named
from revconsole.lab.listing.groups import curves
from revconsole.records.runs.run import Summary

MOST_COMPARED, MOST_SHOWN = 8, 500
"""Most curves compared; most rows shown, the first in the sort order; a table of ten thousand rows would delay keys at every change."""
MINUTE = 60.0
OF_ONE_RUN = frozenset({"stop", "pause", "resume", "hand_over", "sooner", "later", "begin_now"})
OF_A_ROW = frozenset({"select_cursor", "screen.group"})
GROUP = Binding("g", "screen.group", "Group", id="runs.group")
NEWEST = "newest first"


class RunsTable(LiveTable):
    """The table of runs, in which g groups the seeds."""

    BINDINGS: ClassVar[list[BindingType]] = [GROUP]


class RunsScreen(KeepingScreen):
    """The table of runs."""

    home = True
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
        GROUP,
        Binding("K", "sooner", "Up in the queue", show=False, id="runs.sooner"),
        Binding("J", "later", "Down in the queue", show=False, id="runs.later"),
        Binding("N", "begin_now", "Begin now", show=False, id="runs.begin-now"),
        Binding("o", "order", "Sort", show=False, id="runs.order"),
        Binding("C", "columns", "Columns", show=False, id="runs.columns"),
        Binding("a", "mark_all", "Mark all", show=False, id="runs.mark-all"),
        Binding("b", "baseline", "Baseline", show=False, id="runs.baseline"),
        Binding("e", "edit", "Edit name, tags, note", show=False, id="runs.edit"),
        Binding("A", "archive", "Archive", show=False, id="runs.archive"),
        Binding("D", "delete", "Delete", show=False, id="runs.delete"),
        Binding("u", "undo", "Undo", show=False, id="runs.undo"),
        Binding("y", "copy", "Copy the id", show=False, id="runs.copy"),
        Binding("escape", "clear", "Clear filter and marks", show=False, id="runs.clear"),
    ]

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._list = RunList()
        self._rows: dict[str, ListedRow] = {}
        self._headings: dict[str, RunField | None] = {}
        self._telling: tuple[RunField, ...] = ()
        self._marked: dict[str, None] = {}
        self._recalled = False

    def compose(self) -> ComposeResult:
        """Title, table and preview, a hint for an empty store, filter, keys."""
        yield Title()
        yield Problem()
        with Horizontal(id="listed"):
            yield RunsTable(id="runs")
            yield Preview(id="preview")
        with Middle(id="none"):  # so that a word in it does not paint the rest of the screen anew
            yield Words(id="nothing")
        yield Prompt(
            placeholder="lr>1e-3 scheme:bdia state=running NOT seed=2",
            id="filter",
            compact=True,
            select_on_focus=False,
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the table."""
        self.add_class("-empty")
        self.set_interval(MINUTE, self._age)

    def on_screen_resume(self) -> None:
        """Ask the reader for rows only."""
        self.reader.want(WantedByScreen())
        self.redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the table."""
        if snapshot.complete and not self._recalled:
            self._recall(snapshot)
        listed = self._list.rows(snapshot.summaries)
        self._say(snapshot, listed)
        if not self.size.width:
            return
        shown = listed[:MOST_SHOWN]
        self._show_rows(shown)
        self.set_class(not shown, "-empty")
        if shown and self.focused is None:
            self.query_one(LiveTable).focus()
        self._preview()
        self.show_keys()

    def action_open(self) -> None:
        """Open the run under the cursor; open or close a group."""
        row = self._row()
        if row is not None and row.group is not None:
            self._list.expanded ^= {row.key}
            self.redraw()
        elif row is not None:
            from revconsole.console.screens.run import RunScreen  # plots load when first shown

            self.app.push_screen(RunScreen(self.reader, row.run.id))

    def action_launch(self) -> None:
        """Open the launch form with the settings of the run under the cursor."""
        row = self._row()
        self.launch_like(row.run if row else None)

    def action_studies(self) -> None:
        """List the studies, each of several arms over the same seeds."""
        from revconsole.console.screens.studies import StudiesScreen  # as above

        tabs.open_kept(self.app, "studies", lambda: StudiesScreen(self.reader))

    def action_mark(self) -> None:
        """Mark or unmark the run, or the runs of the group."""
        row = self._row()
        if row is None:
            return
        self._mark(row.runs, on=not self._all_marked(row))
        self.query_one(LiveTable).action_cursor_down()
        self.redraw()

    def action_mark_all(self) -> None:
        """Mark every run that is listed, or unmark them."""
        listed = self._list.rows(self.reader.latest.summaries)
        every_run = [run for row in listed for run in row.runs]
        self._mark(every_run, on=not all(map(self._all_marked, listed)))
        self.redraw()

    def action_baseline(self) -> None:
        """Make the run the baseline that others are compared with, or have none."""
        if (run := self.at_hand()) is not None:
            setattr(self.app, "baseline", "" if self._baseline == run.id else run.id)  # noqa: B010  the app's, untyped here
            self._remember()

    def action_compare(self) -> None:
        """Compare the marked runs; the baseline, or else the first marked, comes first."""
        latest = self.reader.latest
        wanted = [self._baseline, *self._marked] if self._baseline else list(self._marked)
        chosen = [run_id for run_id in dict.fromkeys(wanted) if latest.summary(run_id)]
        if len(chosen) < 2:
            self.refuse("mark two or more runs with space, then press c")
            return
        drawn = curves([run for run in latest.summaries if run.id in chosen])
        if drawn > MOST_COMPARED:
            self.refuse(f"at most {MOST_COMPARED} curves are compared at once, not {drawn}")
            return
        from revconsole.console.screens.comparison import ComparisonScreen  # as above

        self.app.push_screen(ComparisonScreen(self.reader, chosen))

    def action_filter(self) -> None:
        """Filter the runs by words and by any setting or metric: lr>1e-3 scheme:bdia NOT seed=2."""
        self.query_one(Prompt).open()

    def action_group(self) -> None:
        """Put the runs that differ only in their seed into one row, or list every run."""
        self._list.grouped = not self._list.grouped
        self._remember()

    def action_order(self) -> None:
        """Sort by any setting, metric or fact; by the same one again, the other way round."""

        def picked(keys: tuple[str, ...] | None) -> None:
            if keys is not None:
                self._sort(None if keys[0] == NEWEST else self._field(keys[0]))

        self._choose("Sort by", picked, first=[(f"{NEWEST}, as at the start", NEWEST)])

    def action_columns(self) -> None:
        """Choose the columns from all settings, metrics and facts."""
        chosen = self._list.chosen

        def picked(keys: tuple[str, ...] | None) -> None:
            if keys is not None:
                self._list.chosen = tuple(map(self._field, keys)) or None
                self._remember()

        ticked = [field.key for field in chosen or ()]
        self._choose("Columns", picked, ticked=ticked)

    def action_copy(self) -> None:
        """Copy the run's id."""
        if (run := self.at_hand()) is not None:
            self.post_message(clipboard.copied(self.app, run.id, run.id))

    def action_clear(self) -> None:
        """Clear the filter first, then the marks."""
        if self._list.words or self.query_one(Prompt).display:
            self.query_one(Prompt).value = ""
            self._list.filter("", ())
            self._close_filter()
        else:
            self._marked.clear()
        self.redraw()

    def at_hand(self) -> Summary | None:
        """The run under the cursor; None on a group."""
        row = self._row()
        return row.run if row is not None and row.group is None else None

    def useless(self) -> frozenset[str]:
        """The actions that have no effect on the run; on a group those that need a single run."""
        row = self._row()
        if row is None:
            return super().useless() | OF_A_ROW
        return OF_ONE_RUN if row.group is not None else super().useless()

    def _steer(
        self, verb: Callable[[Screen[Any], Reader, Summary], None], *, changes: bool = True
    ) -> None:
        row = self._row()
        if row is not None and row.group is not None:
            self.refuse("these are several runs: enter opens the group, then choose one")
        else:
            super()._steer(verb, changes=changes)

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._preview()
        self.show_keys()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_open()

    @on(DataTable.HeaderSelected)
    def _sorted(self, event: DataTable.HeaderSelected) -> None:
        field = self._headings.get(str(event.column_key.value))
        if field is not None:
            self._sort(field)

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._list.filter(event.value, self.reader.latest.summaries)
        self.redraw()

    @on(Input.Submitted, "#filter")
    def _close_filter(self) -> None:
        self._list.accept()
        if not self.query_one(Prompt).value:
            self.query_one(Prompt).close()
        self.query_one(LiveTable).focus()

    def _show_rows(self, listed: Sequence[ListedRow]) -> None:
        """Show the columns that fit, with names that can be told apart."""
        self._rows = {row.key: row for row in listed}
        self._telling = self._list.telling([run for row in listed for run in row.runs])
        telling = [f for f in self._telling if not (self._list.grouped and f.key == "seed")]
        beside = aside.width(self.size.width)
        width = self.size.width - (beside and beside + 1)
        shown = rows.columns(listed, width, telling, self._list.chosen)
        self._headings = {each.column.key: each.field for each in shown}
        sorted_by = self._list.order.field.key if self._list.order else ""
        variables, marked = self.app.theme_variables, self._marked
        room = next((each.column.width for each in shown if each.column.key == "name"), 1)
        names = told_apart(rows.names(listed, room), room)
        table = self.query_one(LiveTable)
        table.set_columns([
            replace(each.column, strong=each.field is not None and each.field.key == sorted_by)
            for each in shown
        ])  # fmt: skip
        table.set_rows([
            (
                row.key,
                rows.cells(
                    shown,
                    row,
                    name,
                    variables,
                    marked=all(run.id in marked for run in row.runs),
                    baseline=bool(self._baseline) and any(r.id == self._baseline for r in row.runs),
                ),
            )
            for row, name in zip(listed, names, strict=True)
        ])  # fmt: skip

    def _preview(self) -> None:
        """Show the run under the cursor beside the table, where there is room."""
        preview = self.query_one(Preview)
        width = aside.width(self.size.width)
        preview.display = bool(width)
        if preview.display:
            preview.styles.width = width
            preview.show_row(self._row(), self._telling, width - aside.EDGES)

    def _row(self) -> ListedRow | None:
        """The row under the cursor."""
        return self._rows.get(self.query_one(LiveTable).selected or "")

    def _all_marked(self, row: ListedRow) -> bool:
        return all(run.id in self._marked for run in row.runs)

    def _mark(self, runs: Sequence[Summary], *, on: bool) -> None:
        for run in runs:
            if on:
                self._marked.setdefault(run.id)
            else:
                self._marked.pop(run.id, None)

    def kept_runs(self) -> list[Summary]:
        """The marked runs, or without marks the run or the group under the cursor."""
        row = self._row()
        marked = [run for run in self.reader.latest.summaries if run.id in self._marked]
        return marked or (list(row.runs) if row else [])

    def _recall(self, snapshot: Snapshot) -> None:
        """Use the order, groups, columns and baseline remembered for this store, or the configured columns."""
        self._recalled = True
        usual = {**self._list.remembered(), "baseline": ""}
        kept = views_of(self.app).get("runs", usual)
        kept["columns"] = kept["columns"] or list(config_of(self.app)["columns"])
        self._list.recall(kept, snapshot.summaries)
        if snapshot.summary(kept["baseline"]) is not None:
            setattr(self.app, "baseline", kept["baseline"])  # noqa: B010  the app's, untyped here

    def _remember(self) -> None:
        """Remember what the user chose for the next time, and show it."""
        if self._recalled:
            views_of(self.app).set("runs", {**self._list.remembered(), "baseline": self._baseline})
        self.redraw()

    def _sort(self, field: RunField | None) -> None:
        self._list.sort_by(field)
        self._remember()

    def _field(self, key: str) -> RunField:
        return named(key, metrics_of(self.reader.latest.summaries))

    def _choose(
        self,
        title: str,
        picked: Any,
        *,
        first: Sequence[tuple[str, str]] = (),
        ticked: Sequence[str] | None = None,
    ) -> None:
        """Open the list of everything that can be said of a run."""
        from revconsole.console.screens.choices import Choices

        fields = every(metrics_of(self.reader.latest.summaries))
        options = [*first, *((field_name(each), each.key) for each in fields)]
        only = ticked is not None
        self.app.push_screen(Choices(title, options, ticked=ticked, only_ticked=only), picked)

    def _age(self) -> None:
        if self.is_current:
            self.redraw()

    @property
    def _baseline(self) -> str:
        return str(getattr(self.app, "baseline", ""))

    def _say(self, snapshot: Snapshot, listed: Sequence[ListedRow]) -> None:
        """Update the title, the sentence on what is wrong, and the hint for an empty store."""
        parts = title(snapshot, self._list, listed, len(self._marked), MOST_SHOWN)
        self.query_one(Title).say(*parts, str(self.reader.lab.store.root))
        self.query_one(Problem).say(snapshot.problem or self._list.problem or snapshot.strays)
        self.query_one("#nothing", Words).show_text(Text(nothing(snapshot, self._list)))
