"""Loss over epochs."""

from typing import TYPE_CHECKING

from revconsole.lab.report.figures import curves
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "loss-curves"


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    return f"Loss over epochs: {curves.about_curves(results)}"


def draw(results: Results) -> "Figure | None":
    """Mean cross-entropy of training and of validation images, over epochs."""
    return curves.draw_pair(results, ("train_loss", "validation_loss"), "loss (nats)")
