"""PlottingScreen: base of the screens with charts: what they show, the part of the axis in view, and the value cursor."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from revconsole.console.charts import MOST, ChartState, grid
from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.steering import SteeringScreen
from revconsole.console.snapshot import WantedFigure
from revconsole.console.view_state import config_of, views_of
from revconsole.console.widgets.plot_area import PlotArea
from revconsole.console.widgets.plot_view import NOT_YET, Emphasis, PlotView
from revconsole.lab.curves import cursor, subjects
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.units import unit_of, worded
from revconsole.lab.curves.viewport import Viewport
from revconsole.records.runs.run import Run

ZOOM = 0.5
"""Share of the axis that is left after zooming in by a key."""
PAN = 0.25
"""Share of the plot's width by which a key moves it."""
CURSOR = (
    Binding("left,left_square_bracket", "screen.cursor(-1)", "Cursor left", show=False, id="charts.left"),
    Binding("right,right_square_bracket", "screen.cursor(1)", "Cursor", key_display="←→", id="charts.right"),
)  # fmt: skip
"""A table on a screen with charts has them too, or it would take the arrows for itself as soon as it is wider than the screen."""


class ChartGrid(Container):
    """The charts of a screen side by side; as many as there is room for."""

    DEFAULT_CSS = "ChartGrid { layout: grid; grid-gutter: 0 1; height: 1fr; }"

    def __init__(self, *others: Widget, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._others = others
        self.plots = [PlotView("", id=f"chart-{number}") for number in range(MOST)]

    def compose(self) -> ComposeResult:
        """Every chart that a screen can have, other panes after the first; what is hidden costs nothing."""
        yield from (self.plots[0], *self._others, *self.plots[1:])

    def lay_out(self, cells: int) -> tuple[int, int]:
        """Lay out `cells` charts; returns columns and rows."""
        whole = self.app.size
        width, height = self.size if self.size.height else (whole.width, whole.height // 2)
        columns, rows = grid(cells, width, height)
        self.styles.grid_size_columns, self.styles.grid_size_rows = columns, rows
        return columns, rows


class PlottingScreen(SteeringScreen):
    """An abstract screen of charts with one horizontal axis, one part of it in view, and one cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *CURSOR,
        Binding("plus,equals_sign", "zoom(1)", "Zoom", key_display="+/-", id="charts.in"),
        Binding("minus", "zoom(-1)", "Zoom out", show=False, id="charts.out"),
        Binding("0", "whole", "Whole or recent", show=False, id="charts.whole"),
        Binding("shift+left,less_than_sign", "pan(-1)", "Earlier", show=False, id="charts.earlier"),
        Binding("shift+right,greater_than_sign", "pan(1)", "Later", show=False, id="charts.later"),
        Binding("m", "metric", "Chart", id="charts.metric"),
        Binding("a", "add", "Add a chart", show=False, id="charts.add"),
        Binding("backspace", "remove", "Remove the chart", show=False, id="charts.remove"),
        Binding("e", "exchange", "Other charts", show=False, id="charts.exchange"),
        Binding("x", "horizontal", "Axis", show=False, id="charts.horizontal"),
        Binding("X", "along", "Another metric as axis", show=False, id="charts.along"),
        Binding("y", "logarithm", "Logarithm", show=False, id="charts.logarithm"),
        Binding("Y", "logarithm_x", "Logarithm of the axis", show=False, id="charts.logarithm-x"),
        Binding("full_stop", "smooth(1)", "Smooth more", show=False, id="charts.smoother"),
        Binding("comma", "smooth(-1)", "Smooth less", show=False, id="charts.rougher"),
        Binding("f", "fill", "Fill", id="charts.fill"),
    ]  # fmt: skip

    def __init__(self, reader: Reader, metrics: Sequence[str]) -> None:
        super().__init__(reader)
        self.charts = ChartState(list(metrics))
        self._room = len(metrics)
        self._restored = False

    @abstractmethod
    def look(self) -> None:
        """Ask the reader for the figures that this screen shows."""

    def front(self) -> str:
        """The run whose curves lead: empty where all are alike."""
        return ""

    def emphasis(self) -> Emphasis:
        """What all charts of the screen stress."""
        return Emphasis(cursor=self.charts.cursor)

    @property
    def views(self) -> list[PlotView]:
        """The charts that have a subject and room, in order."""
        return self.query_one(ChartGrid).plots[: len(self.charts.visible(self._room))]

    def pictures(self, run_ids: Sequence[str]) -> dict[str, WantedFigure]:
        """The wanted figure of each visible chart, by the chart's id, at its width."""
        self._keep()
        self._arrange()
        pairs = zip(self.views, self.charts.visible(self._room), strict=True)
        return {
            str(view.id): WantedFigure(
                subject=metric,
                run_ids=tuple(run_ids),
                frame=self.charts.frame(metric, view.columns),
            )
            for view, metric in pairs
        }

    def unasked(self) -> frozenset[str]:
        """The charts that the screen added by itself, which are not remembered."""
        return frozenset()

    def _keep(self) -> None:
        """Remember the charts of this kind of screen; the first time, take over what is remembered."""
        views, own = views_of(self.app), f"charts of {type(self).__name__}"
        if not self._restored:
            self._restored = True
            self.charts.usual = float(config_of(self.app)["smoothing"])
            self.charts.restore(views.get(own, self.charts.kept()))
        kept = self.charts.kept()
        kept["metrics"] = [metric for metric in kept["metrics"] if metric not in self.unasked()]
        views.set(own, kept)

    def other_cells(self) -> int:
        """How many cells of the grid are taken by something else than charts."""
        return 0

    def _arrange(self) -> None:
        charts = self.query_one(ChartGrid)
        others = self.other_cells()
        columns, rows = charts.lay_out(len(self.charts.metrics) + others)
        self._room = max(1, columns * rows - others)
        visible = len(self.charts.visible(self._room))
        for number, view in enumerate(charts.plots):
            view.display = number < visible

    def show_figures(
        self,
        newest: Mapping[str, Figure],
        *,
        absent: Mapping[str, str] | None = None,
        usual: str = NOT_YET,
    ) -> None:
        """Draw the newest figures, by chart. absent: the sentence for a subject of which nothing can be measured, else `usual`."""
        emphasis = self.emphasis()
        for view, metric in zip(self.views, self.charts.visible(self._room), strict=True):
            view.show_figure(
                newest.get(str(view.id)),
                emphasis,
                title=metric.replace("_", " "),
                absent=(absent or {}).get(metric, usual),
            )

    def figures(self) -> list[Figure]:
        """The figures on the screen."""
        return [view.figure for view in self.views if view.figure is not None]

    def runs(self) -> list[Run]:
        """The runs of this screen that have been read."""
        return list(self.reader.latest.runs.values())

    def _chart(self) -> int:
        """The number of the chart that the keys act on: the focused one, or the first."""
        views = self.views
        return next((n for n, view in enumerate(views) if view.has_focus), 0)

    def lead(self) -> tuple[PlotView, Figure] | None:
        """The chart whose points the cursor follows: the focused one, or the first with curves."""
        views = self.views
        first = views[self._chart() : self._chart() + 1]
        drawn = ((v, v.figure) for v in (*first, *views))
        return next(((v, f) for v, f in drawn if f is not None and f.curves), None)

    def _extent(self) -> tuple[float, float]:
        figures = self.figures()
        return figures[0].extent if figures else (0.0, 1.0)

    def action_back(self) -> None:
        """Close the maximised pane first, then take the cursor away, then close the screen."""
        if self.maximized is not None:
            self.minimize()
        elif self.charts.cursor is not None:
            self.charts.cursor = None
            self.redraw()
        else:
            super().action_back()

    def action_cursor(self, by: int) -> None:
        """Move the value cursor that all charts share."""
        lead = self.lead()
        if lead is None:
            return
        view, figure = lead
        self.point(
            cursor.moved(
                figure, self.charts.cursor, by, front=self.front(), column_share=view.column_share
            )
        )

    def point(self, x: float | None) -> None:
        """Put the value cursor at a place on the axis; it stays where it is if that is none."""
        if x is not None and not math.isfinite(x):
            return
        self.charts.cursor = x
        if x is not None:
            self._view(self.charts.view.holding(x, *self._extent()))
        self.show_cursor()

    def show_cursor(self) -> None:
        """Show the value cursor at its new place."""
        self.redraw()

    def _view(self, view: Viewport) -> None:
        if view != self.charts.view:
            self.charts.view = view
            self.look()

    def action_zoom(self, by: int) -> None:
        """Show less of the axis (1) or more of it (-1), around the cursor."""
        factor = ZOOM if by > 0 else 1 / ZOOM
        self._view(self.charts.view.zoomed(factor, *self._extent(), self.charts.cursor))

    def action_whole(self) -> None:
        """Show everything, or the recent part, which follows the newest data."""
        self._view(self.charts.view.toggled(*self._extent()))

    def action_pan(self, by: int) -> None:
        """Move the part of the axis that is shown."""
        self._view(self.charts.view.panned(by * PAN, *self._extent()))

    @on(PlotArea.Zoomed)
    def _wheel(self, event: PlotArea.Zoomed) -> None:
        self._view(self.charts.view.zoomed(event.factor, *self._extent(), event.around))

    @on(PlotArea.Panned)
    def _dragged(self, event: PlotArea.Panned) -> None:
        self._view(self.charts.view.panned(event.share, *self._extent()))

    @on(PlotArea.Pointed)
    def _pointed(self, event: PlotArea.Pointed) -> None:
        lead = self.lead()
        points = cursor.leading(lead[1], self.front()) if lead else None
        index = points.near(event.x) if points else None
        self.point(points.x_at(index) if points and index is not None else event.x)

    def action_horizontal(self) -> None:
        """Let the axis count steps, epochs, time since the start, or the time of day."""
        self.charts.next_axis()
        self.look()

    def action_along(self) -> None:
        """Let the axis be a metric."""
        self._choose("Axis", self.charts.along, subjects.recorded)

    def action_logarithm(self) -> None:
        """Switch the vertical axis of the chart between linear and logarithmic."""
        metric = self.charts.visible(self._room)[self._chart()]
        figure = self.views[self._chart()].figure
        self.charts.logarithmic[metric] = not (figure.logarithmic if figure else False)
        self.look()

    def action_logarithm_x(self) -> None:
        """Switch the horizontal axis between linear and logarithmic."""
        self.charts.logarithmic_x = not self.charts.logarithmic_x
        self.look()

    def action_smooth(self, by: int) -> None:
        """Smooth the curves more (1) or less (-1)."""
        self.charts.smooth(by)
        self.post_message(Said(self.charts.smoothing_words))
        self.look()

    def action_exchange(self) -> None:
        """Show the charts that found no room."""
        self.charts.turn(self._room)
        self.look()

    def action_metric(self) -> None:
        """Choose what the chart shows."""
        self._choose("Metric", self.show_metric)

    def action_add(self) -> None:
        """Add a chart."""
        if len(self.charts.metrics) >= MOST:
            self.refuse(f"{MOST} charts are the most; backspace removes one")
        else:
            self._choose("Metric of the new chart", self.charts.metrics.append)

    def action_remove(self) -> None:
        """Remove the chart."""
        if len(self.charts.metrics) == 1:
            self.refuse("the last chart stays")
            return
        del self.charts.metrics[self._number()]
        self.charts.first = 0
        self.look()

    def _number(self) -> int:
        return (self.charts.first + self._chart()) % len(self.charts.metrics)

    def offered(self) -> Sequence[str]:
        """Everything that a chart can show."""
        return subjects.offered(self.runs())

    def show_metric(self, metric: str) -> None:
        """Let the focused chart show a metric."""
        self.charts.metrics[self._number()] = metric
        self.look()

    def _choose(
        self,
        title: str,
        then: Callable[[str], None],
        among: Callable[[Sequence[Run]], list[str]] = subjects.offered,
    ) -> None:
        from revconsole.console.screens.choices import Choices  # only when asked for

        runs = self.runs()
        if not runs:
            self.refuse("nothing is measured yet: try again in a moment")
            return

        def picked(names: tuple[str, ...] | None) -> None:
            for name in names or ():
                then(name)
                self.look()

        options = [(name, name) for name in among(runs)]
        self.app.push_screen(
            Choices(title, options, remark=lambda name: _lasts(name, runs)), picked
        )

    def action_fill(self) -> None:
        """Maximise the focused pane, or restore it."""
        if self.maximized is not None:
            self.minimize()
        else:
            self.maximize(self.filled())

    def filled(self) -> Widget:
        """The pane that is maximised: the focused one, or the first chart."""
        return self.focused if self.focused is not None else self.views[0]

    def on_resize(self, _: events.Resize) -> None:
        """Lay out for the new size."""
        if self.children:
            self.look()


def _lasts(name: str, runs: Sequence[Run]) -> str:
    metrics = subjects.subject(name, runs).metrics[:3]
    texts = []
    for run in runs[:3]:
        for metric, word in metrics:
            series = run.series.get(metric)
            if series is not None and series.last is not None:
                unit, scale = unit_of(series.metric)
                value = f"{word} {worded(series.last * scale, unit)}".strip()
                texts.append(value if unit in {"%", "relative"} else f"{value} {unit}".strip())
    return ", ".join(texts)
