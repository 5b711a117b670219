"""Accuracy over epochs."""

from typing import TYPE_CHECKING

from revconsole.lab.report.figures import curves
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "accuracy-curves"


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    return f"Accuracy over epochs: {curves.about_curves(results)}"


def draw(results: Results) -> "Figure | None":
    """Accuracy on training images (with augmentation and dropout) and on validation images, over epochs."""
    metrics = ("train_accuracy", "validation_accuracy")
    return curves.draw_pair(results, metrics, "accuracy (%)", 100.0)
