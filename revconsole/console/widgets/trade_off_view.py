"""TradeOffView: test accuracy against a cost, a letter for each run, and the runs that no other beats, by their letters."""

from collections.abc import Mapping, Sequence
from typing import get_args

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from revconsole.console.view_state import config_of
from revconsole.console.widgets.panes import PaneHeading
from revconsole.console.widgets.plot_area import PlotArea
from revconsole.lab.curves import scatter as scatters
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.cells import Marker, usual_marker
from revconsole.lab.trade_offs import COSTS, Scatter

ABSENT = "no two runs with a test differ in it"
SHORT = {"memory kept for backward": "kept", "training time": "time"}
"""What a cost is called where there is little room."""


class TradeOffView(Vertical, can_focus=True):
    """One scatter plot with its heading."""

    def __init__(self, cost: str) -> None:
        super().__init__(classes="trade-off")
        self._cost = cost
        self._shown: tuple[Scatter | None, Mapping[str, Mark]] = (None, {})

    def compose(self) -> ComposeResult:
        """A heading and the plot."""
        yield PaneHeading(Text(self._cost))
        yield PlotArea()

    def on_mount(self) -> None:
        """Paint again in the colours of another theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.query_one(PlotArea).restyle())

    def show_scatter(self, scatter: Scatter | None, marks: Mapping[str, Mark]) -> None:
        """Draw the runs. scatter: None if there is nothing to compare."""
        if (scatter, marks) != self._shown:
            self._shown = (scatter, marks)
            self._draw()

    def on_resize(self, _: events.Resize) -> None:
        """Draw for the new size."""
        self._draw()

    def on_show(self) -> None:
        """Draw what arrived while the plot was hidden."""
        self._draw()

    def _draw(self) -> None:
        if not self.is_attached or not self.children or not self.size.width:
            return
        scatter, marks = self._shown
        area, heading = self.query_one(PlotArea), self.query_one(PaneHeading)
        area.display = scatter is not None
        if scatter is None:
            heading.say(Text(f"{SHORT[self._cost]}: {ABSENT}"))
            return
        chosen = config_of(self.app)["drawing"]
        marker: Marker = chosen if chosen in get_args(Marker) else usual_marker()
        lines, hidden = scatters.drawn(
            scatter,
            marks,
            self.size.width,
            max(2, self.size.height - heading.display),
            marker=marker,
        )
        area.show_lines(lines)
        title, more = heading_of(scatter, marks, hidden, self.size.width - 2)
        heading.say(Text.assemble((title, "bold"), more))


def heading_of(
    scatter: Scatter, marks: Mapping[str, Mark], hidden: int, room: int
) -> tuple[str, str]:
    """What is drawn, and the letters of the runs that no other beats in both, as fully as there is room."""
    letters = " ".join(dict.fromkeys(marks[i].letter for i in scatter.front if i in marks))
    more = f" · {hidden} more behind others" if hidden else ""
    unit = scatter.unit
    long, short = f"test accuracy (%) against {scatter.cost} ({unit})", SHORT[scatter.cost]
    forms = (
        (long, f" · no run beats {letters} in both{more}"),
        (f"test accuracy (%) against {short} ({unit})", f" · front {letters}{more}"),
        (f"test % by {short} ({unit})", f", front {letters}{more}"),
    )
    return next((form for form in forms if len("".join(form)) <= room), forms[-1])


class TradeOffs(Horizontal):
    """Accuracy against each cost, side by side."""

    DEFAULT_CSS = "TradeOffs { height: 1fr; min-height: 7; display: none; } TradeOffView { height: 1fr; width: 1fr; }"

    def compose(self) -> ComposeResult:
        """A plot for each cost."""
        yield from map(TradeOffView, COSTS)

    def show_scatters(self, found: Sequence[Scatter], marks: Mapping[str, Mark]) -> None:
        """Draw each cost in which the runs differ."""
        of = {scatter.cost: scatter for scatter in found}
        for cost, view in zip(COSTS, self.query(TradeOffView), strict=True):
            view.show_scatter(of.get(cost), marks)
