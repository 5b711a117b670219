"""PlottingScreen: what screens with plots share: the horizontal axis, smoothing, filling the screen."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping

from revconsole.console.reader import Reader
from revconsole.console.screens.steering import SteeringScreen
from revconsole.console.snapshot import WantedFigure
from revconsole.console.widgets.plot_view import PlotView
from revconsole.lab.curves.figures import FigureSubject, Horizontal

SMOOTHINGS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98)
"""Weights of the past that the keys step through."""


class PlottingScreen(SteeringScreen):
    """An abstract screen of plots, each a PlotView whose id is its name."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._horizontal: Horizontal = "step"
        self._smoothing = 0

    @abstractmethod
    def look(self) -> None:
        """Ask the reader for what this screen shows, as it is now to be drawn."""

    def pictures(
        self,
        subjects: Mapping[str, FigureSubject],
        run_ids: Iterable[str],
        *,
        smoothed: frozenset[str],
    ) -> dict[str, WantedFigure]:
        """One picture per plot, as wide as it is; only plots in `smoothed` obey the smoothing."""
        weight = SMOOTHINGS[self._smoothing]
        return {
            name: WantedFigure(
                subject=subject,
                run_ids=tuple(run_ids),
                width=self.query_one(f"#{name}", PlotView).columns,
                horizontal=self._horizontal,
                smoothing=weight if name in smoothed else 0.0,
            )
            for name, subject in subjects.items()
        }

    def action_back(self) -> None:
        """Close the maximised pane first, then the screen."""
        if self.maximized is not None:
            self.minimize()
        else:
            super().action_back()

    def action_horizontal(self) -> None:
        """Switch the horizontal axis between steps and epochs."""
        self._horizontal = "epoch" if self._horizontal == "step" else "step"
        self.look()

    def action_smooth(self, by: int) -> None:
        """Smooth the curves more (1), less (-1) or not at all (0)."""
        step = self._smoothing + by if by else 0
        self._smoothing = min(max(step, 0), len(SMOOTHINGS) - 1)
        self.look()
