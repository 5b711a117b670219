"""ComparisonScreen: curves of several runs in one plot, and their table, live while they train."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import DataTable

from revconsole.console import readout, states
from revconsole.console.colours import of_curves, themed
from revconsole.console.exporting import export_comparison
from revconsole.console.reader import Reader
from revconsole.console.screens.plotting import CURSOR, ChartGrid, PlottingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable, TableColumn, spaced
from revconsole.console.widgets.panes import Title, Words
from revconsole.console.widgets.plot_view import Emphasis, PlotView
from revconsole.console.widgets.trade_off_view import TradeOffs
from revconsole.lab import format as shown
from revconsole.lab.compare import ComparedRun, Comparison, compare
from revconsole.lab.comparison_table import (
    EQUAL_STEP,
    EQUAL_TIME,
    matched_note,
    setting_text,
    step_text,
    time_text,
)
from revconsole.lab.curves import canvas, cursor, legend
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.colours import ColourPlaces, as_style, of_curve
from revconsole.lab.curves.units import worded
from revconsole.lab.listing.texts import epochs, mebibytes
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

USUAL = ("training loss", "validation_accuracy")
"""The charts of a comparison, unless others are chosen."""
MOST_SETTINGS = 8
LEAST_NAME, SHORT_NAME, TELLING_NAME = 8, 20, 28
"""Width of the name's column: the minimum, what it may be shortened to for a whole column more, and the width it gets before
optional columns are shown."""


class Sentences(VerticalScroll, can_focus=True):
    """Sentences that may take more lines than there are; the arrow keys scroll them."""


class ComparedTable(LiveTable):
    """The table below the charts, whose value cursor the arrow keys move; h and l scroll it."""

    BINDINGS: ClassVar[list[BindingType]] = [*CURSOR]


class ComparisonScreen(PlottingScreen):
    """Curves and table of several runs; the first run is the baseline."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="comparison.back"),
        Binding("b", "baseline", "Baseline", id="comparison.baseline"),
        Binding("t", "trade_offs", "Trade-off", id="comparison.trade-offs"),
        Binding("s", "stop", "Stop", id="comparison.stop"),
        Binding("p", "pause", "Pause", id="comparison.pause"),
        Binding("r", "resume", "Resume", show=False, id="comparison.resume"),
        Binding("z", "hide", "Hide or show", show=False, id="comparison.hide"),
        Binding("u", "unite", "Mean of seeds", show=False, id="comparison.unite"),
        Binding("o", "alone", "Alone", show=False, id="comparison.alone"),
        Binding("w", "export", "Write", id="comparison.export"),
        Binding("n", "launch", "New like this", show=False, id="comparison.launch"),
    ]

    def __init__(self, reader: Reader, run_ids: Sequence[str]) -> None:
        super().__init__(reader, USUAL)
        self._ids = list(run_ids)
        self._letters = {run_id: canvas.letter(n) for n, run_id in enumerate(run_ids)}
        self._places = ColourPlaces().of(run_ids)
        self._stressed = ""
        self._trading = False
        self._drawn_as: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """The charts, what they are at the cursor, the table, and warnings about runs that are hard to compare."""
        yield Title()
        yield ChartGrid(id="charts")
        yield TradeOffs(id="trade-offs")
        yield Words(id="readout")
        yield ComparedTable(id="compared")
        yield Sentences(Words(id="warnings"), id="sentences")
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the table, in which letter, name and baseline stay where they are when it is scrolled."""
        table = self.query_one(LiveTable)
        table.fixed_columns, table.fixed_rows = 2, 1
        table.focus()

    def on_screen_resume(self) -> None:
        """Read these runs from now on."""
        self.look()

    def at_hand(self) -> Summary | None:
        """The run under the cursor."""
        return self.reader.latest.summary(self.query_one(LiveTable).selected or "")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update plots and table."""
        present = [s for s in (snapshot.summary(run_id) for run_id in self._ids) if s is not None]
        if not present:
            self.query_one(Title).say("comparison", "reading runs…")
            return
        going = sum(not s.ended for s in present)
        self.query_one(Title).say(
            f"comparison of {len(present)} runs", f"{going} going" if going else "all ended"
        )
        self.show_figures(snapshot.figures)
        self._drawn_as = {i: c.run_id for f in self.figures() for c in f.curves for i in c.seeds}
        letters = {i: self._letters[self._drawn_as.get(i, i)] for i in self._ids}
        compared = compare(present, letters, snapshot.runs)
        self._show_table(compared)
        self._show_trade_offs(compared)
        self.show_keys()
        self.query_one("#warnings", Words).show_text(self._sentences(compared))
        self._read_out(snapshot)

    def _sentences(self, compared: Comparison) -> Text:
        """What the table cannot say, warnings in their colour."""
        plain = [*compared.means, *compared.trade_offs, *matched_note(compared)]
        warned = themed(self.app.theme_variables, "text-warning")
        lines = [Text(f"! {one_line(words)}", style=warned) for words in compared.warnings]
        return Text("\n").join([*lines, *(Text(one_line(words)) for words in plain)])

    def _read_out(self, snapshot: Snapshot) -> None:
        """Say what the charts of the run under the cursor are at the value cursor."""
        x, words = self.charts.cursor, self.query_one("#readout", Words)
        run = snapshot.runs.get(self.query_one(LiveTable).selected or "")
        words.display = x is not None and run is not None
        if x is not None and run is not None:
            letter = self._letters.get(run.id, "")
            words.show_text(
                readout.line(self.figures(), run, x, letter=letter, baseline=self._ids[0]),
                layout=False,
            )

    def show_cursor(self) -> None:
        """Show the value cursor in the charts at once, and in the table, which takes longer to paint, after them."""
        self.show_figures(self.reader.latest.figures)
        self._read_out(self.reader.latest)
        self.call_after_refresh(self.redraw)

    def front(self) -> str:
        """The run of the row to which the user went."""
        return self._stressed

    def emphasis(self) -> Emphasis:
        """The run under the cursor in front, and differences to the baseline."""
        return Emphasis(
            places=self._places,
            letters=self._letters,
            front=self._stressed,
            baseline=self._ids[0],
            cursor=self.charts.cursor,
        )

    @on(PlotView.Sized)
    def look(self) -> None:
        """Ask the reader for figures of the plots' width."""
        wanted = self.pictures(self.charts.shown(list(self._places)))
        self.ask(WantedByScreen(run_ids=tuple(self._places), pictures=wanted))
        self.redraw()

    def action_trade_offs(self) -> None:
        """Show accuracy against memory and time with the best trade-offs, or the curves again."""
        self._trading = not self._trading
        self.query_one(ChartGrid).display = not self._trading
        self.query_one(TradeOffs).display = self._trading
        self.redraw()

    def _show_trade_offs(self, compared: Comparison) -> None:
        """Draw each run by the letter and colour that it has in the table."""
        if not self._trading:
            return
        colours = of_curves(self.app)
        drawn_as = {i: self._drawn_as.get(i, i) for i in self._ids}
        marks = {
            i: Mark(letter=self._letters[as_], colour=of_curve(self._places[as_], colours))
            for i, as_ in drawn_as.items()
        }
        self.query_one(TradeOffs).show_scatters(compared.scatters, marks)

    def action_export(self) -> None:
        """Write the table or the curves to a file."""
        export_comparison(self, self._ids)

    def action_hide(self) -> None:
        """Hide the curves of the run under the cursor, or show them again."""
        run_id = self.query_one(LiveTable).selected
        if run_id is not None:
            self.charts.hidden ^= {run_id}
            self.look()

    def action_unite(self) -> None:
        """Draw runs that differ only in their seed as their mean, or each by itself."""
        self.charts.united = not self.charts.united
        self.look()

    def action_alone(self) -> None:
        """Show only the curves of the run under the cursor, or all again."""
        run_id = self.query_one(LiveTable).selected or ""
        self.charts.alone = "" if self.charts.alone else run_id
        self.look()

    def filled(self) -> Widget:
        """The focused chart, or the first; the trade-offs while they are shown."""
        if self._trading:
            return self.query_one(TradeOffs)
        return self.focused if isinstance(self.focused, PlotView) else self.views[0]

    def action_open(self) -> None:
        """Open the run under the cursor."""
        run_id = self.query_one(LiveTable).selected
        if run_id is not None:
            from revconsole.console.screens.run import RunScreen  # plots load when first shown

            self.app.push_screen(RunScreen(self.reader, run_id))

    def action_baseline(self) -> None:
        """Make the run under the cursor the baseline."""
        run_id = self.query_one(LiveTable).selected
        if run_id is not None:
            self._ids = [run_id, *(i for i in self._ids if i != run_id)]
            self.redraw()

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        selected = self.query_one(LiveTable).selected or ""
        if self._stressed or selected != self._ids[0]:
            self._stressed = selected
            self.show_figures(self.reader.latest.figures)
            self._read_out(self.reader.latest)
            if self._trading:
                self.redraw()
        self.show_keys()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_open()

    def _show_table(self, compared: Comparison) -> None:
        table = self.query_one(LiveTable)
        keys = compared.differing[:MOST_SETTINGS]
        names = [one_line(row.summary.name) for row in compared.rows]
        heading, values = self._at_cursor()
        columns = _columns(keys, compared, max(map(len, names)), self.size.width, heading)
        room = next((column.width for column in columns if column.key == "name"), 1)
        selected = table.selected
        table.set_columns(columns)
        table.set_rows([
            (row.summary.id, self._cells(row, name, keys, [values.get(row.summary.id, shown.UNKNOWN)] if heading else []))
            for row, name in zip(compared.rows, shown.told_apart(names, room), strict=True)
        ])  # fmt: skip
        table.select(selected)

    def _at_cursor(self) -> tuple[str, dict[str, str]]:
        """Heading and cells of the column of the first chart at the cursor: each run's own value, as recorded. Empty without a cursor."""
        figures, x = self.figures(), self.charts.cursor
        if x is None or not figures:
            return "", {}
        cells = {
            run_id: worded(each.reading.raw, figures[0].y_label)
            for run_id in self._ids
            for each in cursor.read(figures[:1], x, run_id=run_id)
        }
        return f"at {figures[0].x_label} {legend.placed(x, figures[0])}", cells

    def _cells(
        self,
        row: ComparedRun,
        name: str,
        keys: Sequence[str],
        at_cursor: Sequence[str],
    ) -> tuple[Text, ...]:
        s = row.summary
        drawn_as = self._drawn_as.get(s.id, s.id)
        tint = as_style(of_curve(self._places[drawn_as], of_curves(self.app)))
        hidden = "dim " if s.id not in self.charts.shown(list(self._places)) else "bold "
        measured: tuple[str, ...] = (
            epochs(s),
            shown.percent(s.best_validation_accuracy),
            shown.percent(s.test_accuracy),
            shown.points(row.test_accuracy_gain),
            mebibytes(s.kept_for_backward_bytes),
            shown.ratio(row.kept_ratio),
            shown.clock(s.seconds),
            step_text(row) or shown.UNKNOWN,
            time_text(row) or shown.UNKNOWN,
            shown.small(s.gradient_error),
            shown.learnt(s.parameters, s.support_vectors).replace("support vectors", "SV"),
        )
        measured = measured if s.readable else (shown.UNKNOWN,) * len(measured)
        return (
            Text(self._letters[drawn_as], style=hidden + tint),
            Text(name),
            states.shown(s.state, self.app.theme_variables, alarm=s.alarm, brief=True),
            *(Text(text) for text in (*at_cursor, *measured)),
            *(Text(one_line(setting_text(row, key))) for key in keys),
        )


def _columns(
    keys: Sequence[str], compared: Comparison, longest: int, width: int, at_cursor: str
) -> list[TableColumn]:
    """The columns: what the first chart is at the cursor, measurements, then the settings that differ. See `name_width` for the name."""
    settings = []
    for key in keys:
        values = [setting_text(row, key) for row in compared.rows]
        label = key.removesuffix(".name")
        longest_value = min(32, max(len(label), *(len(value) for value in values)))
        settings.append(TableColumn(key=key, label=label, width=longest_value, right=False))
    letter = TableColumn(key="letter", label="", width=1, right=False)
    others = [
        TableColumn(key="state", label="state", width=10, right=False),
        *([TableColumn(key="cursor", label=at_cursor, width=14)] if at_cursor else []),
        TableColumn(key="epoch", label="epoch", width=7),
        TableColumn(key="best", label="val", width=7),
        TableColumn(key="test", label="test", width=7),
        TableColumn(key="gain", label="gain", width=8),
        TableColumn(key="kept", label="kept MiB", width=8),
        TableColumn(key="ratio", label="ratio", width=6),
        TableColumn(key="time", label="time", width=7),
        _as_wide("step", EQUAL_STEP, [step_text(row) for row in compared.rows]),
        _as_wide("seconds", EQUAL_TIME, [time_text(row) for row in compared.rows]),
        TableColumn(key="error", label="grad error", width=10),
        TableColumn(key="parameters", label="parameters", width=11),
        *settings,
    ]
    taken = [column.width + 1 for column in (letter, *others)]
    name = name_width(longest, [width - 2 - sum(taken[: n + 1]) for n in range(len(taken))])
    columns = [letter, TableColumn(key="name", label="name", width=name, right=False), *others]
    return spaced(columns, width - 2 - sum(taken) - 1 - name, 1)


def _as_wide(key: str, label: str, texts: Sequence[str]) -> TableColumn:
    """A column of numbers that is as wide as its longest cell."""
    return TableColumn(key=key, label=label, width=max(map(len, (label, *texts))))


def name_width(longest: int, left: Sequence[int]) -> int:
    """The width of the name's column, by which no other column is cut at the edge of the terminal.

    longest: cells of the longest name. left: cells that are left for the name if 0, 1, … other columns are to be seen.
    """
    wanted = min(max(longest, LEAST_NAME), max(TELLING_NAME, left[-1]))
    if left[-1] >= wanted:
        return wanted
    one_more = next((cells for cells in left if cells < wanted), wanted)
    whole = min((cells for cells in left if cells >= wanted), default=wanted)
    return one_more if one_more >= SHORT_NAME else whole
