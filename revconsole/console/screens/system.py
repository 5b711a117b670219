"""SystemScreen: processors, memory, disk and cards of this machine, what uses them, and what a run measured of them."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from revconsole.console import gauges
from revconsole.console.charts import LEAST_ROWS
from revconsole.console.screens.live import LiveScreen
from revconsole.console.screens.plotting import ChartGrid
from revconsole.console.snapshot import Snapshot, WantedByScreen, WantedFigure
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Problem, Title, Words
from revconsole.console.widgets.plot_view import PlotView
from revconsole.lab.curves import axes
from revconsole.lab.curves.figures import Frame
from revconsole.lab.curves.subjects import OF_MACHINE
from revconsole.lab.system import System, historian
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run

EDGES, OTHER_ROWS = 2, 5
"""Columns left and right of the text, and rows of the title, the keys and the blank ones between."""


class SystemScreen(LiveScreen):
    """The machine, read again with every snapshot while this screen is in front."""

    tab = "system"
    home = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="system.back"),
        Binding("j", "scroll(1)", "Down", show=False, id="system.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="system.up"),
    ]

    def compose(self) -> ComposeResult:
        """Title, gauges, charts, keys."""
        yield Title()
        yield Problem()
        with VerticalScroll(id="system"):
            yield Words(id="gauges")
        yield ChartGrid(id="history")
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the gauges, so that arrows scroll them."""
        self.query_one("#system").focus()

    def on_screen_resume(self) -> None:
        """Ask the reader for the machine."""
        self.ask(WantedByScreen(system=True))
        self.redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the gauges and the charts."""
        self.query_one(Problem).say(snapshot.problem)
        system = snapshot.system
        if system is None:
            self.query_one(Title).say("system", "reading…")
            return
        training = len(system.trainings)
        runs = (
            f"{training} run{'s' if training != 1 else ''} training"
            if training
            else "nothing trains"
        )
        self.query_one(Title).say("system", runs)
        self._show(system, snapshot)

    def _show(self, system: System, snapshot: Snapshot) -> None:
        """The gauges, and below them the charts of the run that measured this machine, if there is room for some."""
        told = historian(system, snapshot.summaries)
        run = snapshot.runs.get(told.id) if told else None
        measured = _measured(run)
        width, theme = self.size.width - EDGES, self.app.theme_variables
        history = f"measured by {one_line(run.summary.name)}" if run and measured else ""
        text = gauges.lines(system, width, theme, history)
        room = self.size.height - OTHER_ROWS - text.plain.count("\n")
        if room < LEAST_ROWS and measured:
            text, measured = gauges.lines(system, width, theme), []
        self.query_one("#gauges", Words).show_text(text)
        pictures = self._lay_out(measured)
        if told:
            wanted = {
                view.id or "": WantedFigure(
                    subject=name,
                    run_ids=(told.id,),
                    frame=Frame(width=view.columns, horizontal=axes.WALL),
                )
                for name, view in pictures.items()
            }
            self.ask(WantedByScreen(system=True, run_ids=(told.id,), pictures=wanted))
        for name, view in pictures.items():
            view.show_figure(
                snapshot.figures.get(view.id or ""), title=OF_MACHINE[name].title, absent="reading…"
            )

    def _lay_out(self, measured: list[str]) -> dict[str, PlotView]:
        """As many charts as there is room for, each by the metric that it shows."""
        charts, views = self.query_one(ChartGrid), list(self.query(PlotView))
        charts.display = bool(measured)
        self.query_one("#system").styles.height = "auto" if measured else "1fr"
        columns, rows = charts.lay_out(len(measured)) if measured else (0, 0)
        shown = dict(zip(measured[: columns * rows], views, strict=False))
        for view in views:
            view.display = view in shown.values()
        return shown

    @on(PlotView.Sized)
    def _sized(self) -> None:
        self.redraw()

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _measured(run: Run | None) -> list[str]:
    """What the run measured of its machine, more than once."""
    series = run.series if run else {}
    return [name for name in OF_MACHINE if name in series and series[name].length > 1]
