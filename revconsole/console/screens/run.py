"""RunScreen: one run while it trains: curves, facts, log."""

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input, OptionList

from revconsole.console import clipboard, readout
from revconsole.console.colours import themed
from revconsole.console.facts import pairs, status
from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.plotting import ChartGrid, PlottingScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.boundary_view import BoundaryView
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.log_view import LogView
from revconsole.console.widgets.panes import Facts, PaneHeading, Title, Words
from revconsole.console.widgets.plot_view import NOT_YET, PlotView
from revconsole.console.widgets.prompt import Prompt
from revconsole.lab import log_lines
from revconsole.lab.curves import axes, cursor, subjects
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run, Summary

USUAL = ("loss", "accuracy", "memory")
"""The charts of a run, unless others are chosen."""
NO_LOSS = "a support vector machine has none"


class RunScreen(PlottingScreen):
    """Curves, facts and log of one run.

    A run with a measured reconstruction error shows it beside the loss; a run on points of the plane shows its decision
    boundary there. A key shows the charts that found no room.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="run.back"),
        Binding("s", "stop", "Stop", id="run.stop"),
        Binding("p", "pause", "Pause", id="run.pause"),
        Binding("r", "resume", "Resume", id="run.resume"),
        Binding("d", "hand_over", "Move to the background", show=False, id="run.hand-over"),
        Binding("n", "launch", "New like this", show=False, id="run.launch"),
        Binding("R", "reversibility", "Exact", id="run.reversibility"),
        Binding("v", "samples", "Samples", id="run.samples"),
        Binding("w", "mistakes", "Mistakes", show=False, id="run.mistakes"),
        Binding("space", "freeze", "Freeze", show=False, id="run.freeze"),
        Binding("slash", "search", "Search the log", show=False, id="run.search"),
        Binding("L", "level", "Urgency of the log", show=False, id="run.level"),
        Binding("i", "copy", "Copy the id", show=False, id="run.copy"),
    ]

    def __init__(self, reader: Reader, run_id: str) -> None:
        super().__init__(reader, USUAL)
        self.run_id = run_id
        self._frozen = self._probed = self._suited = False
        self._held: Run | None = None

    def compose(self) -> ComposeResult:
        """Title, state, charts, what they are at the cursor, facts, log."""
        yield Title()
        yield Words(id="status")
        yield ChartGrid(BoundaryView(id="boundary"), id="charts")
        yield Words(id="readout")
        with Horizontal(id="beside"):
            yield Facts(id="facts")
            with Vertical(id="log-pane"):
                yield PaneHeading(Text("log"), id="log-heading")
                yield LogView(id="log")
                yield Prompt(placeholder="words of the log", id="log-words")
        yield KeyBar()

    def on_screen_resume(self) -> None:
        """Read this run from now on."""
        self.look()

    def at_hand(self) -> Summary | None:
        """The run of this screen."""
        return self.reader.latest.summary(self.run_id)

    def useless(self) -> frozenset[str]:
        """As for any run; of the plain network nothing is rebuilt."""
        run = self.at_hand()
        inexact = run is not None and (bool(run.program) or _plain(run))
        return super().useless() | ({"reversibility"} if inexact else set())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the screen."""
        run = snapshot.runs.get(self.run_id)
        self.show_keys()
        if self._frozen:
            self._hold()
            return
        if run is None:
            row = snapshot.summary(self.run_id)
            name = row.name if row else f"{self.run_id} is not in the store"
            self.query_one(Title).say(name, self.run_id)
            return
        self.query_one(Title).say(run.summary.name, run.id)
        self._suit(run)
        measured = any(series.length for series in run.series.values())
        idle = run.summary.ended or run.summary.state == "queued"
        self.set_class(idle and not measured, "-bare")
        self.query_one(BoundaryView).show_boundary(run.boundary)
        self.query_one("#status", Words).show_text(status(run, self.app.theme_variables))
        self.query_one(Facts).show_pairs(pairs(run))
        self._show_log(run)
        self.show_figures(
            snapshot.figures,
            absent={"loss": NO_LOSS} if run.plan.fitted else {},
            usual="not measured before the run ended" if run.summary.ended else NOT_YET,
        )
        self._read_out(run)

    def _suit(self, run: Run) -> None:
        """Show the error of the reconstruction and the boundary as soon as they are measured."""
        bounded, known = run.boundary is not None, self.query_one(BoundaryView)
        probed = any(name in run.series for name, _ in subjects.FAMILIES["error"].metrics)
        suited = probed and not self._probed and "error" not in self.charts.metrics
        if suited:
            self.charts.metrics.insert(1, "error")
            self._suited = True
        self._probed = self._probed or probed
        if suited or bounded != known.display:
            known.display = bounded
            self.look()

    def _hold(self) -> None:
        """Show what was shown before, with the cursor where it is now."""
        for view in self.views:
            view.show_figure(view.figure, self.emphasis())
        if self._held is not None:
            self._read_out(self._held)

    def _show_log(self, run: Run) -> None:
        """The log, marked where the cursor is."""
        wall = None
        if self.charts.cursor is not None:
            step = self._step(self.charts.cursor)
            wall = run.times.wall(step) if step is not None else None
        log, heading = self.query_one(LogView), self.query_one("#log-heading", PaneHeading)
        every = log_lines.lines(run)
        log.show_lines(every, wall=wall)
        heading.set_class(bool(log.heading), "-chosen")
        warned = themed(self.app.theme_variables, "text-warning")
        chosen = Text(one_line(log.heading), style=warned)
        whole = Text.assemble(("log", "bold"), f"  {log_lines.counted(every)}")
        heading.say(chosen if log.heading else whole)

    def _step(self, x: float) -> int | None:
        """The step at a place on the axis, by the curve with the most points."""
        lead = self.lead()
        points = cursor.leading(lead[1]) if lead else None
        reading = points.at(x) if points else None
        return reading.step if reading else None

    @on(OptionList.OptionSelected, "#log")
    def _time_chosen(self, event: OptionList.OptionSelected) -> None:
        """Put the cursor of the charts where a line of the log was written."""
        run = self.reader.latest.runs.get(self.run_id)
        time = self.query_one(LogView).time_of(event.option_index)
        step = run.times.step_at(time) if run else None
        if run is None or step is None:
            self.refuse("no step of the run is known at that time")
        else:
            self.point(axes.place(run, self.charts.horizontal)(step))

    def action_search(self) -> None:
        """Search the log: only lines with every word stay."""
        self.query_one("#log-words", Prompt).open()

    def action_level(self) -> None:
        """Show only notes, warnings, alarms, or what its processes wrote, or everything of the log."""
        self.query_one(LogView).next_level()
        self.redraw()

    @on(Input.Changed, "#log-words")
    def _searched(self, event: Input.Changed) -> None:
        self.query_one(LogView).words = event.value
        self.redraw()

    @on(Input.Submitted, "#log-words")
    def _found(self) -> None:
        prompt = self.query_one("#log-words", Prompt)
        if not prompt.value:
            prompt.close()
        self.query_one(LogView).focus()

    def action_back(self) -> None:
        """Step out: of the search, the maximised pane, the cursor, the screen."""
        prompt = self.query_one("#log-words", Prompt)
        if prompt.display:
            prompt.value = ""
            prompt.close()
        else:
            super().action_back()

    def _read_out(self, run: Run) -> None:
        """Say what the charts are at the cursor."""
        x, words = self.charts.cursor, self.query_one("#readout", Words)
        words.display = x is not None
        if x is not None:
            words.show_text(readout.line(self.figures(), run, x), layout=False)

    def unasked(self) -> frozenset[str]:
        """The chart of errors, which comes with the first probe."""
        return frozenset({"error"} if self._suited else ())

    def other_cells(self) -> int:
        """The boundary takes a cell."""
        return int(self.query_one(BoundaryView).display)

    @on(PlotView.Sized)
    def look(self) -> None:
        """Ask the reader for figures of the plots' width."""
        self.ask(WantedByScreen(run_ids=(self.run_id,), pictures=self.pictures([self.run_id])))
        self.redraw()

    def action_samples(self) -> None:
        """Show the images it trains on; of a run that another program trains the files that it kept."""
        self._steer(_show_samples, changes=False)

    def action_reversibility(self) -> None:
        """Show how exactly its backward rebuilds the activations, block by block."""
        run = self.at_hand()
        if run is None or not run.plan_known:
            self.refuse("what is not known of the run yet says nothing of its backward")
            return
        from revconsole.console.screens.reversibility import (
            ReversibilityScreen,
        )  # only when asked for

        self.app.push_screen(ReversibilityScreen(self.reader, run))

    def action_mistakes(self) -> None:
        """Show the test images that its network calls otherwise than they are."""
        run = self.at_hand()
        if run is None or not run.plan_known:
            self.refuse("what is not known of the run yet has no network to ask")
            return
        from revconsole.console.screens.mistakes import MistakesScreen  # only when asked for

        self.app.push_screen(MistakesScreen(self.reader, run))

    def action_freeze(self) -> None:
        """Freeze the screen while the run continues."""
        self._frozen = not self._frozen
        self._held = self.reader.latest.runs.get(self.run_id)
        if self._frozen:
            run = self.at_hand()
            self.query_one(Title).say(
                "FROZEN: space continues", run.name if run else "", self.run_id
            )
        else:
            self.redraw()

    def action_copy(self) -> None:
        """Copy the run's id."""
        self.post_message(clipboard.copied(self.app, self.run_id, self.run_id))


def _plain(run: Summary) -> bool:
    """Whether the blocks of the run are left as they are."""
    return run.plan_known and run.plan.scheme.name == "residual"


def _show_samples(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    if run.program:
        _show_artifacts(screen, reader.latest.runs.get(run.id))
        return
    if not run.plan_known:
        screen.app.post_message(
            Said(
                f"{run.name}: its data are not known{f'; {run.reason}' if run.reason else ''}",
                "warning",
            )
        )
        return
    from revconsole.console.screens.samples import SamplesScreen  # only when asked for

    screen.app.push_screen(SamplesScreen(run.plan, run.name))


def _show_artifacts(screen: Screen[Any], run: Run | None) -> None:
    if run is None or not run.artifacts:
        said = "no file was kept with it: `run.image` and `run.artifact` do that"
        screen.app.post_message(Said(said, "warning"))
        return
    from revconsole.console.screens.artifacts import ArtifactsScreen  # only when asked for

    screen.app.push_screen(ArtifactsScreen(run))
