"""ComparisonScreen: chosen runs over each other and beside each other, live while they train."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import DataTable

from revconsole.console import states
from revconsole.console.reader import Reader
from revconsole.console.screens.plotting import PlottingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable, TableColumn
from revconsole.console.widgets.panes import Title, Words
from revconsole.console.widgets.plot_view import PlotView
from revconsole.lab import format as shown
from revconsole.lab.compare import ComparedRun, Comparison, compare
from revconsole.lab.curves import canvas
from revconsole.lab.curves.colours import as_style, of_curve
from revconsole.lab.curves.figures import TRAINING_LOSS, VALIDATION
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

SUBJECTS = {"overlay-loss": TRAINING_LOSS, "overlay-validation": VALIDATION}
MOST_SETTINGS = 8
LEAST_NAME, TELLING_NAME = 8, 28
"""Columns of a name: at least, and before it takes none that the others need."""


class ComparisonScreen(PlottingScreen):
    """Overlay and table; the first run is the baseline."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="comparison.back"),
        Binding("b", "baseline", "Baseline", id="comparison.baseline"),
        Binding("s", "stop", "Stop", id="comparison.stop"),
        Binding("p", "pause", "Pause", id="comparison.pause"),
        Binding("r", "resume", "Resume", show=False, id="comparison.resume"),
        Binding("x", "horizontal", "Axis", id="comparison.horizontal"),
        Binding(
            "plus,equals_sign", "smooth(1)", "Smooth", key_display="+/-", id="comparison.smoother"
        ),
        Binding("minus", "smooth(-1)", "Smooth less", show=False, id="comparison.rougher"),
        Binding("0", "smooth(0)", "Do not smooth", show=False, id="comparison.raw"),
        Binding("f", "fill", "Fill", id="comparison.fill"),
        Binding("n", "launch", "New like this", show=False, id="comparison.launch"),
    ]

    def __init__(self, reader: Reader, run_ids: Sequence[str]) -> None:
        super().__init__(reader)
        self._ids = list(run_ids)
        self._letters = {run_id: canvas.letter(n) for n, run_id in enumerate(run_ids)}
        self._places = {run_id: n for n, run_id in enumerate(run_ids)}

    def compose(self) -> ComposeResult:
        """Two overlays, the table, what makes the runs hard to compare."""
        yield Title()
        with Container(id="overlays"):
            for name, subject in SUBJECTS.items():
                yield PlotView(subject.title, id=name)
        yield LiveTable(id="compared")
        yield Words(id="warnings")
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the table."""
        self.query_one(LiveTable).focus()

    def on_screen_resume(self) -> None:
        """Read these runs from now on."""
        self.look()

    def at_hand(self) -> Summary | None:
        """The run under the cursor."""
        return self.reader.latest.summary(self.query_one(LiveTable).selected or "")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Bring overlay and table up to date."""
        found = [s for s in (snapshot.summary(run_id) for run_id in self._ids) if s is not None]
        if not found:
            self.query_one(Title).say("comparison", "reading runs…")
            return
        going = sum(not s.ended for s in found)
        self.query_one(Title).say(
            f"comparison of {len(found)} runs", f"{going} going" if going else "all ended"
        )
        compared = compare(found)
        self._show_table(compared)
        self.show_keys()
        self.query_one("#warnings", Words).show_text(
            Text(
                "\n".join(
                    [
                        *map(one_line, compared.means),
                        *(f"! {one_line(w)}" for w in compared.warnings),
                    ]
                )
            )
        )
        for name in SUBJECTS:
            view = self.query_one(f"#{name}", PlotView)
            view.show_figure(snapshot.figures.get(name), places=self._places)

    @on(PlotView.Sized)
    def look(self) -> None:
        """Ask for overlays that fit the plots."""
        wanted = self.pictures(SUBJECTS, self._places, smoothed=frozenset(SUBJECTS))
        self.reader.want(WantedByScreen(pictures=wanted))
        self.redraw()

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

    def action_fill(self) -> None:
        """Maximise the focused pane, or restore it."""
        if self.maximized is not None:
            self.minimize()
        else:
            focused = self.focused
            self.maximize(
                focused if isinstance(focused, PlotView) else self.query(PlotView).first()
            )

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self.show_keys()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_open()

    def _show_table(self, compared: Comparison) -> None:
        table = self.query_one(LiveTable)
        keys = compared.differing[:MOST_SETTINGS]
        names = [one_line(row.summary.name) for row in compared.rows]
        columns = _columns(keys, compared, max(map(len, names)), self.size.width)
        room = next((column.width for column in columns if column.key == "name"), 1)
        table.set_columns(columns)
        variables = self.app.theme_variables
        table.set_rows([
            (row.summary.id, self._cells(row, name, keys, variables))
            for row, name in zip(compared.rows, shown.told_apart(names, room), strict=True)
        ])  # fmt: skip

    def _cells(
        self, row: ComparedRun, name: str, keys: Sequence[str], variables: dict[str, str]
    ) -> tuple[Text, ...]:
        s = row.summary
        number = self._places[s.id]
        tint = as_style(of_curve(number, dark=self.app.current_theme.dark))
        measured = (
            f"{s.epoch}/{s.plan.epochs}",
            shown.percent(s.best_validation_accuracy),
            shown.percent(s.test_accuracy),
            shown.points(row.test_accuracy_gain),
            shown.memory(s.kept_for_backward_bytes).removesuffix(" MiB"),
            shown.ratio(row.kept_ratio),
            shown.clock(s.seconds),
            shown.small(s.gradient_error),
            shown.learnt(s.parameters, s.support_vectors).replace("support vectors", "SV"),
        )
        return (
            Text(self._letters[s.id], style=f"bold {tint}"),
            Text(name),
            states.shown(s.state, variables, alarm=s.alarm, brief=True),
            *(Text(text) for text in measured),
            *(Text(one_line(str(row.settings.get(key, shown.UNKNOWN)))) for key in keys),
        )


def _columns(
    keys: Sequence[str], compared: Comparison, longest: int, width: int
) -> list[TableColumn]:
    """Measurements first, then the settings that differ. Names, up to the longest, have what room is left."""
    settings = []
    for key in keys:
        values = [str(row.settings.get(key, "")) for row in compared.rows]
        label = key.removesuffix(".name")
        width = min(32, max(len(label), *(len(value) for value in values)))
        settings.append(TableColumn(key=key, label=label, width=width, right=False))
    letter = TableColumn(key="letter", label="", width=1, right=False)
    others = [
        TableColumn(key="state", label="state", width=10, right=False),
        TableColumn(key="epoch", label="epoch", width=7),
        TableColumn(key="best", label="val", width=7),
        TableColumn(key="test", label="test", width=7),
        TableColumn(key="gain", label="gain", width=8),
        TableColumn(key="kept", label="kept MiB", width=8),
        TableColumn(key="ratio", label="ratio", width=6),
        TableColumn(key="time", label="time", width=7),
        TableColumn(key="error", label="grad error", width=10),
        TableColumn(key="parameters", label="parameters", width=11),
        *settings,
    ]
    free = width - 2 - sum(column.width + 1 for column in (letter, *others))
    name = min(max(longest, LEAST_NAME), max(TELLING_NAME, free))
    return [letter, TableColumn(key="name", label="name", width=name, right=False), *others]
