"""RunScreen: one run as it trains: curves, facts, log."""

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from revconsole.console.facts import pairs, status
from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.plotting import PlottingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.boundary_view import BoundaryView
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Facts, LogTail, Title, Words
from revconsole.console.widgets.plot_view import PlotView
from revconsole.lab.curves.figures import ACCURACY, ERROR, LOSS, MEMORY, FigureSubject
from revconsole.records.runs.run import Summary

SUBJECTS: dict[str, FigureSubject] = {
    "loss": LOSS,
    "error": ERROR,
    "accuracy": ACCURACY,
    "memory": MEMORY,
}
NO_LOSS = "a fitted machine has none"


class RunScreen(PlottingScreen):
    """Curves, facts and log of one run.

    A run that measures the error of its reconstruction shows it beside the loss, and one whose data are points of
    the plane what it calls each place of it. Where there is no room for one more plot, that takes the place of the
    memory, and a key exchanges the two.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="run.back"),
        Binding("s", "stop", "Stop", id="run.stop"),
        Binding("p", "pause", "Pause", id="run.pause"),
        Binding("r", "resume", "Resume", id="run.resume"),
        Binding("d", "hand_over", "Move to the background", show=False, id="run.hand-over"),
        Binding("x", "horizontal", "Axis", show=False, id="run.horizontal"),
        Binding("plus,equals_sign", "smooth(1)", "Smooth", key_display="+/-", id="run.smoother"),
        Binding("minus", "smooth(-1)", "Smooth less", show=False, id="run.rougher"),
        Binding("0", "smooth(0)", "Do not smooth", show=False, id="run.raw"),
        Binding("f", "fill", "Fill", id="run.fill"),
        Binding("n", "launch", "New like this", show=False, id="run.launch"),
        Binding("v", "samples", "Samples", id="run.samples"),
        Binding("e", "exchange", "Memory or not", show=False, id="run.exchange"),
        Binding("space", "freeze", "Freeze", show=False, id="run.freeze"),
        Binding("y", "copy", "Copy the id", show=False, id="run.copy"),
    ]

    def __init__(self, reader: Reader, run_id: str) -> None:
        super().__init__(reader)
        self.run_id = run_id
        self._frozen = False

    def compose(self) -> ComposeResult:
        """Title, state, plots, facts, log."""
        yield Title()
        yield Words(id="status")
        with Container(id="panes"):
            yield PlotView("loss", id="loss")
            yield BoundaryView(id="boundary")
            for name in ("error", "accuracy", "memory"):
                yield PlotView(name, id=name)
            yield Facts(id="facts")
            yield LogTail(id="log")
        yield KeyBar()

    def on_screen_resume(self) -> None:
        """Read this run from now on."""
        self.look()

    def at_hand(self) -> Summary | None:
        """The run this screen is about."""
        return self.reader.latest.summary(self.run_id)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Bring the screen up to date."""
        run = snapshot.runs.get(self.run_id)
        self.show_keys()
        if self._frozen:
            return
        if run is None:
            row = snapshot.summary(self.run_id)
            name = row.name if row else f"{self.run_id} is not in the store"
            self.query_one(Title).say(name, self.run_id)
            return
        self.query_one(Title).say(run.summary.name, run.id)
        self.set_class(any(name in run.series for name, _ in ERROR.metrics), "-probed")
        self.set_class(run.boundary is not None, "-bounded")
        self.query_one(BoundaryView).show_boundary(run.boundary)
        self.query_one("#status", Words).show_text(status(run, self.app.theme_variables))
        self.query_one(Facts).show_pairs(pairs(run))
        self.query_one(LogTail).show_lines(run.log)
        for name in SUBJECTS:
            absent = NO_LOSS if run.plan.fitted and name == "loss" else "nothing measured yet"
            self.query_one(f"#{name}", PlotView).show_figure(
                snapshot.figures.get(name), absent=absent
            )

    @on(PlotView.Sized)
    def look(self) -> None:
        """Ask for figures that fit the plots."""
        wanted = self.pictures(SUBJECTS, [self.run_id], smoothed=frozenset({"loss"}))
        self.reader.want(WantedByScreen(run_ids=(self.run_id,), pictures=wanted))
        self.redraw()

    def action_fill(self) -> None:
        """Maximise the focused pane, or restore it."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None:
            self.maximize(self.focused)
        else:
            self.maximize(self.query_one("#loss"))

    def action_exchange(self) -> None:
        """Switch between memory and reconstruction error (or decision boundary) where only one fits."""
        if self.has_class("-probed") or self.has_class("-bounded"):
            self.toggle_class("-exchanged")

    def action_samples(self) -> None:
        """Show the images it trains on."""
        self._steer(_show_samples)

    def action_freeze(self) -> None:
        """Freeze the screen while the run continues."""
        self._frozen = not self._frozen
        if self._frozen:
            run = self.at_hand()
            self.query_one(Title).say("FROZEN: space goes on", run.name if run else "", self.run_id)
        else:
            self.redraw()

    def action_copy(self) -> None:
        """Copy the run's id."""
        self.app.copy_to_clipboard(self.run_id)
        self.post_message(Said(f"copied {self.run_id}"))


def _show_samples(screen: Screen[Any], _: Reader, run: Summary) -> None:
    from revconsole.console.screens.samples import SamplesScreen  # only when asked for

    screen.app.push_screen(SamplesScreen(run.plan, run.name))
