"""ChartState: what a screen's charts show and how; it knows no widgets, so that it can be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from revconsole.lab.curves import axes
from revconsole.lab.curves.figures import Frame
from revconsole.lab.curves.viewport import WHOLE, Viewport

SMOOTHINGS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Weights of the past in the moving average that the keys step through."""
AS_USUAL = -1.0
"""Stands for the usual smoothing among kept values, which are of one type each."""
MOST = 9
"""Most charts of a screen."""
ASPECT = 4.0
"""Columns per row of a chart that is pleasant to read."""
LEAST_COLUMNS, LEAST_ROWS = 36, 6
"""The smallest chart that says anything."""


@dataclass
class ChartState:
    """The charts of a screen, in order, and how they are looked at.

    metrics: what each chart shows, see `subjects`. smoothing: None smooths what is noisy by `usual`. logarithmic: charts whose vertical
    axis was switched. cursor: a place on the horizontal axis. hidden: runs that are not drawn. alone: the only run that
    is. first: the chart with which the visible ones begin.
    """

    metrics: list[str]
    horizontal: str = axes.STEP
    smoothing: float | None = None
    usual: float = 0.9
    logarithmic: dict[str, bool] = field(default_factory=dict)
    logarithmic_x: bool = False
    view: Viewport = WHOLE
    cursor: float | None = None
    hidden: set[str] = field(default_factory=set)
    alone: str = ""
    first: int = 0
    united: bool = True
    """Whether runs that differ only in their seed are drawn as their mean."""

    def frame(self, metric: str, width: int) -> Frame:
        """How the chart of a metric is looked at."""
        return Frame(
            width=width,
            horizontal=self.horizontal,
            smoothing=self.smoothing,
            usual=self.usual,
            view=self.view,
            logarithmic=self.logarithmic.get(metric),
            logarithmic_x=self.logarithmic_x,
            united=self.united,
        )

    def smooth(self, by: int) -> None:
        """Smooth more (1) or less (-1); beyond the ends is the usual smoothing of what is noisy."""
        weight = self.usual if self.smoothing is None else self.smoothing
        now = min(range(len(SMOOTHINGS)), key=lambda n: abs(SMOOTHINGS[n] - weight))
        there = now + by
        self.smoothing = SMOOTHINGS[there] if 0 <= there < len(SMOOTHINGS) else None

    @property
    def smoothing_words(self) -> str:
        """How much the curves are smoothed."""
        if self.smoothing is None:
            return f"smoothing: {self.usual:g} where a curve is noisy"
        return f"smoothing: {self.smoothing:g}" if self.smoothing else "smoothing: none"

    def next_axis(self) -> None:
        """Let the horizontal axis count the next thing; the view and the cursor start again."""
        at = axes.KINDS.index(self.horizontal) if self.horizontal in axes.KINDS else -1
        self.along(axes.KINDS[(at + 1) % len(axes.KINDS)])

    def along(self, horizontal: str) -> None:
        """Let the horizontal axis count something else."""
        self.horizontal, self.view, self.cursor = horizontal, WHOLE, None

    def visible(self, most: int) -> list[str]:
        """What the visible charts show, if there is room for `most`."""
        count = len(self.metrics)
        return [self.metrics[(self.first + n) % count] for n in range(min(most, count))]

    def turn(self, most: int) -> None:
        """Go on to the charts that found no room."""
        if len(self.metrics) > most:
            self.first = (self.first + most) % len(self.metrics)
        else:
            self.first = 0

    def shown(self, run_ids: list[str]) -> list[str]:
        """Those of the runs that are drawn."""
        if self.alone in run_ids:
            return [self.alone]
        return [i for i in run_ids if i not in self.hidden] or run_ids

    def kept(self) -> dict[str, Any]:
        """What is worth keeping from one start to the next, as values of JSON, each always of one type."""
        return {
            "metrics": list(self.metrics),
            "horizontal": self.horizontal,
            "smoothing": AS_USUAL if self.smoothing is None else self.smoothing,
            "logarithmic": dict(self.logarithmic),
            "logarithmic_x": self.logarithmic_x,
            "united": self.united,
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what was kept, as far as it makes sense."""
        metrics = [metric for metric in kept["metrics"] if isinstance(metric, str)]
        self.metrics = metrics[:MOST] or self.metrics
        self.horizontal = kept["horizontal"]
        smoothing = kept["smoothing"]
        self.smoothing = smoothing if 0 <= smoothing < 1 else None
        self.logarithmic = {k: v for k, v in kept["logarithmic"].items() if isinstance(v, bool)}
        self.logarithmic_x, self.united = kept["logarithmic_x"], kept["united"]


def grid(count: int, width: int, height: int) -> tuple[int, int]:
    """Columns and rows for up to `count` charts; their product may be smaller than `count` where room is short."""
    most_columns, most_rows = max(1, width // LEAST_COLUMNS), max(1, height // LEAST_ROWS)
    columns, rows = min(count, most_columns), 1
    best = float("inf")
    for r in range(1, most_rows + 1):
        c = min(-(-count // r), most_columns)
        cost = abs((width / c) / (height / r) / ASPECT - 1)
        cost = max(cost, abs(ASPECT / ((width / c) / (height / r)) - 1))
        cost += 0.5 * abs(c * r - count) + (10 if c * r < count else 0)
        if cost < best:
            best, columns, rows = cost, c, r
    return columns, rows
