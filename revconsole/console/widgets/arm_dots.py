"""ArmDots: the arms of a study as dot plots: test accuracy and, on a wide terminal, the memory kept for backward."""

from typing import get_args

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from revconsole.console.colours import of_curves
from revconsole.console.view_state import config_of
from revconsole.console.widgets.panes import PaneHeading
from revconsole.console.widgets.plot_area import PlotArea
from revconsole.lab.board import View
from revconsole.lab.curves import dots
from revconsole.lab.curves.cells import Marker, usual_marker
from revconsole.lab.curves.dots import DotPlot

FEWEST = 2
"""Arms with a result from which they are drawn."""
WIDE, FRAME = 120, 3
"""Columns of a terminal from which there are two plots, and the rows that a frame and the blank one above it take."""


class DotsView(Vertical):
    """One dot plot with its heading."""

    def __init__(self) -> None:
        super().__init__()
        self._plot: DotPlot | None = None
        self._front = ""

    def compose(self) -> ComposeResult:
        """A heading and the plot."""
        yield PaneHeading(Text(""))
        yield PlotArea()

    def on_mount(self) -> None:
        """Paint again in the colours of another theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw()

    def show_plot(self, plot: DotPlot, front: str) -> None:
        """Draw the arms; `front` is the name of the one that is set off."""
        if (plot, front) != (self._plot, self._front):
            self._plot, self._front = plot, front
            self._draw()

    def _draw(self) -> None:
        plot, heading = self._plot, self.query_one(PaneHeading)
        height = self.size.height - heading.display
        if plot is None or height < plot.height():
            return
        chosen = config_of(self.app)["drawing"]
        marker: Marker = chosen if chosen in get_args(Marker) else usual_marker()
        several = any(len(row.values) > 1 for row in plot.rows)
        signs = f"  {dots.MEAN[marker]} mean  {dots.SEED[marker]} seed  {dots.DEVIATION[marker] * 2} std"
        heading.say(
            Text.assemble((f"{plot.title} ({plot.unit})", "bold"), (signs if several else "", ""))
        )
        lines = dots.drawn(
            plot, self.size.width, height, marker=marker, colours=of_curves(self.app), front=self._front
        )  # fmt: skip
        area = self.query_one(PlotArea)
        area.show_lines(lines)
        area.restyle()


class ArmDots(Horizontal):
    """Dot plots side by side; shown where every arm has room in them."""

    DEFAULT_CSS = """
    ArmDots { display: none; height: 1fr; margin: 1 0 0 0; }
    ArmDots DotsView { width: 1fr; height: 1fr; }
    ArmDots PlotArea { height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """A plot for each quantity."""
        yield DotsView()
        yield DotsView()

    def show_arms(self, view: View, front: str, room: int) -> bool:
        """Draw the arms if `room` rows are enough; returns whether they are. front: the arm under the cursor."""
        plots = dots.accuracies(view.arms), dots.sizes(view.arms)
        accuracy, memory = self.query(DotsView)
        self.display = len(plots[0].rows) >= FEWEST and room >= plots[0].height() + FRAME
        memory.display = self.app.size.width >= WIDE and len(plots[1].rows) >= FEWEST
        self.styles.max_height = plots[0].height(dots.MOST_APART) + FRAME
        if self.display:
            accuracy.show_plot(plots[0], front)
            memory.show_plot(plots[1], front)
        return bool(self.display)
