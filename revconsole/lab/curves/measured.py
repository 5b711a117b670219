"""Measured points: a figure of a benchmark as coloured text, each point as the letter of its curve; alone uses plotext."""

from collections.abc import Sequence

from revconsole.lab.curves import ticks
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.figures import Figure


def measured_points(figure: Figure, marks: Sequence[Mark], width: int, height: int) -> str:
    """The figure in a frame of `width` × `height` with escape sequences, from 0 on the horizontal axis. marks: of the curves."""
    import plotext as plt  # 20 ms: only when something is drawn

    plt.clear_figure()
    plt.theme("clear")
    plt.limit_size(False, False)
    plt.plotsize(width, height)
    plt.xlabel(figure.x_label)
    left, right = ticks.limits([0.0, *(x for curve in figure.curves for x in curve.xs)])
    low, high = ticks.limits([y for curve in figure.curves for y in curve.ys])
    plt.xlim(left, right)
    plt.ylim(low, high)
    plt.xticks(*_labelled(left, right, width // 12))
    plt.yticks(*_labelled(low, high, height // 3))
    pairs = list(zip(marks, figure.curves, strict=True))
    for mark, curve in pairs:
        plt.plot(list(curve.xs), list(curve.ys), marker="braille", color=mark.colour)
    for mark, curve in pairs:
        for x, y in zip(curve.xs, curve.ys, strict=True):
            plt.text(
                mark.letter, x=x, y=y, color=mark.colour, background="default", alignment="center"
            )
    return str(plt.build())


def _labelled(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    places = ticks.round_ticks(low, high, max(2, most))
    return places, [ticks.label(place, places) for place in places]
