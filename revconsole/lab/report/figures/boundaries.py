"""The decision boundary of each arm with test points, for data that are points of the plane."""

from typing import TYPE_CHECKING, Any

from revconsole.lab.report import drawing
from revconsole.lab.report.alike import Alike
from revconsole.lab.report.results import Results
from revconsole.records.logs.boundary import DIGITS, LEVELS, Boundary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "boundary"
MOST_ARMS = 12
ACROSS = 4
COLOURS = ("#0072B2", "#E69F00")
SHADES = ("#9ecae8", "#dcebf5", "#ffffff", "#fbecd0", "#f2cf8a")
"""Colours from surely the first class to surely the second, under points in the colours of the two classes."""
MARKERS = ("o", "^")


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    boundaries = _boundaries(results)
    first = Alike(tuple(arm.runs[0] for arm in results.arms), results.arms)
    seed = first.same(lambda run: run.plan.seed)
    which = f"seed {seed}" if seed is not None else "the lowest seed of each"
    several = {boundary.of for _, boundary in boundaries}
    shades = {
        "probability": "shades are the probability of a class in steps of a fifth",
        "margin": "shades of a support vector machine are its margin, which has no probability",
    }
    explained = "; ".join(text for of, text in shades.items() if of in several)
    return (
        f"What each arm calls the places of the plane, with test points: {which}, the weights that were tested; "
        f"black where the class changes, {explained}."
    )


def draw(results: Results) -> "Figure | None":
    """A panel for the first seed of each arm; None if the data are not points of the plane."""
    boundaries = _boundaries(results)
    if not boundaries:
        return None
    figure, panels = drawing.panels(len(boundaries), ACROSS)
    for axes, (name, boundary) in zip(panels, boundaries, strict=True):
        _plane(axes, boundary)
        axes.set_title(drawing.label(name))
    drawing.legend(figure, panels[0])
    return figure


def _boundaries(results: Results) -> list[tuple[str, Boundary]]:
    boundaries = ((arm.name, arm.runs[0].boundary) for arm in results.arms)
    return [(name, boundary) for name, boundary in boundaries if boundary is not None][:MOST_ARMS]


def _plane(axes: "Axes", boundary: Boundary) -> None:
    left, right, bottom, top = boundary.box
    wide, high = (right - left) / boundary.columns, (top - bottom) / boundary.rows
    xs = [left + (n + 0.5) * wide for n in range(boundary.columns)]
    ys = [top - (n + 0.5) * high for n in range(boundary.rows)]
    grid = _shares(boundary)
    shades = [n / len(SHADES) for n in range(len(SHADES) + 1)]
    axes.contourf(xs, ys, grid, levels=shades, colors=SHADES)
    axes.contour(xs, ys, grid, levels=[0.5], colors="black", linewidths=1.2)
    for label, name in enumerate(boundary.names):
        places = [(x, y) for x, y, of in boundary.points if of == label]
        axes.scatter(
            [x for x, _ in places], [y for _, y in places], s=7, marker=MARKERS[label],
            color=COLOURS[label], edgecolors="none", label=drawing.label(name),
        )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.grid(visible=False)


def _shares(boundary: Boundary) -> Any:
    """The probability at the middle of each level's range, from 0 to 1, row by row."""
    digits, wide = boundary.cells, boundary.columns
    return [
        [(DIGITS.index(digit) + 0.5) / LEVELS for digit in digits[start : start + wide]]
        for start in range(0, len(digits), wide)
    ]
