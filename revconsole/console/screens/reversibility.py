"""ReversibilityScreen: how exactly a run's backward rebuilds what it did not keep: the errors by block over time, and in words."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from revconsole.console import readout, told
from revconsole.console.reader import Reader
from revconsole.console.screens.plotting import ChartGrid, PlottingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Title, Words
from revconsole.console.widgets.plot_view import PlotView
from revconsole.lab import reversibility
from revconsole.records.runs import audits
from revconsole.records.runs.audits import KeptAudit
from revconsole.records.runs.run import Run, Summary

USUAL = ("reconstruction by block", "gradient_error by block")
EDGES = 2
"""Columns left and right of the text."""
NO_PROBE = "nothing is rebuilt, so nothing is probed"


class ReversibilityScreen(PlottingScreen):
    """One run: the badge of its exactness, its scheme, what probes and audits found, and the errors of each block."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="reversibility.back"),
        Binding("s", "stop", "Stop", show=False, id="reversibility.stop"),
        Binding("p", "pause", "Pause", show=False, id="reversibility.pause"),
        Binding("r", "resume", "Resume", show=False, id="reversibility.resume"),
    ]

    def __init__(self, reader: Reader, run: Summary) -> None:
        super().__init__(reader, USUAL)
        self.run_id, self._plan = run.id, run.plan
        self._verified: KeptAudit | None = None

    def compose(self) -> ComposeResult:
        """Title, badge, what is known, charts, what they are at the cursor."""
        yield Title()
        yield Words(id="badge")
        with VerticalScroll(id="known", can_focus=False):
            yield Words(id="told")
        yield ChartGrid(id="charts")
        yield Words(id="readout")
        yield KeyBar()

    @work(thread=True, exit_on_error=False, group="verified")
    def on_mount(self) -> None:
        """Look up what `verify` said of such a model."""
        self._verified = audits.known(self._plan)
        self.app.call_from_thread(self.redraw)

    def on_screen_resume(self) -> None:
        """Read this run from now on."""
        self.look()

    def at_hand(self) -> Summary | None:
        """The run of this screen."""
        return self.reader.latest.summary(self.run_id)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the screen."""
        self.show_keys()
        run = snapshot.runs.get(self.run_id)
        if run is None:
            self.query_one(Title).say("reversibility", self.run_id, "reading…")
            return
        self.query_one(Title).say("reversibility", run.summary.name, run.id)
        badge = reversibility.badge(run)
        self._say(run, badge)
        absent = (
            dict.fromkeys(USUAL, NO_PROBE)
            if badge.name in {"not reversed", "not reversible"}
            else {}
        )
        self.show_figures(snapshot.figures, absent=absent)

    def _say(self, run: Run, badge: reversibility.Told) -> None:
        theme, width = self.app.theme_variables, self.size.width - EDGES
        self.query_one("#badge", Words).show_text(told.heading(badge, theme, width))
        known = reversibility.lines(run, self._verified)
        self.query_one("#told", Words).show_text(told.lines(known, theme, width))
        x, words = self.charts.cursor, self.query_one("#readout", Words)
        words.display = x is not None
        if x is not None:
            words.show_text(readout.line(self.figures(), run, x), layout=False)

    @on(PlotView.Sized)
    def look(self) -> None:
        """Ask the reader for figures of the plots' width."""
        pictures = self.pictures([self.run_id])
        self.ask(WantedByScreen(run_ids=(self.run_id,), pictures=pictures))
        self.redraw()
