"""Canvas: a figure as lines of text with colours, and the only way to plotext.

Figures come decimated. What cannot be drawn (values that are not finite) breaks the curve and is marked with a cross
at the foot of the plot. Letters tell curves apart where colours do not.
"""

from collections.abc import Sequence
from typing import Literal

from revconsole.lab.curves import ticks
from revconsole.lab.curves.colours import Colour
from revconsole.lab.curves.figures import Curve, Figure

Mark = tuple[str, Colour]
"""Letter and colour of a curve."""
Ground = Colour | Literal["default"]
"""A colour, or what the terminal has."""
CROSS = "×"


def letter(number: int) -> str:
    """A for 0, B for 1, …"""
    return chr(ord("A") + number % 26)


def letters(labels: Sequence[str]) -> list[str]:
    """One sign per curve: the initials where they differ, else A, B, C, …"""
    initials = [label.strip()[:1].upper() for label in labels]
    if len(set(initials)) == len(initials) and all(i.isascii() and i.isalpha() for i in initials):
        return initials
    return [letter(n) for n in range(len(labels))]


def drawn(
    figure: Figure, marks: Sequence[Mark], width: int, height: int, *,
    ground: Ground = "default", ink: Ground = "default", measured_points: bool = False,
) -> str:  # fmt: skip
    """The figure as `height` lines of `width` columns, coloured by escape sequences.

    figure: a logarithmic one comes as powers of ten. marks: of each curve. ground, ink: behind everything, and of the
    axes. measured_points: whether each point is a measurement of its own, which gets the letter of its curve, in a frame
    with the title; otherwise a curve has its letter once or twice.
    """
    import plotext as plt  # 20 ms: only when something is drawn

    plt.clear_figure()
    plt.theme("clear")
    plt.limit_size(False, False)
    plt.plotsize(width, height)
    plt.canvas_color(ground)
    plt.axes_color(ground)
    plt.ticks_color(ink)
    plt.xlabel(figure.x_label)
    plt.ylabel(figure.y_label)
    if measured_points:
        plt.title(figure.title)
    else:
        plt.xaxes(True, False)
        plt.yaxes(True, False)
    left, right, low, high = _limits(figure, to_round=measured_points)
    plt.xlim(left, right)
    plt.ylim(low, high)
    rows = height // (3 if measured_points else 4)
    plt.xticks(*_labelled(left, right, width // 12))
    plt.yticks(*(_powers_of_ten if figure.logarithmic else _labelled)(low, high, rows))
    pairs = list(zip(marks, figure.curves, strict=True))
    for (_, tint), curve in pairs:
        for piece_xs, piece_ys in pieces(curve):
            plt.plot(piece_xs, piece_ys, marker="braille", color=tint)
        for x in curve.gaps:
            plt.text(CROSS, x=x, y=low, color=tint, background="default")
    for number, ((sign, tint), curve) in enumerate(pairs):
        every = zip(curve.xs, curve.ys, strict=True)
        for x, y in every if measured_points else letter_places(curve, number, len(pairs)):
            plt.text(sign, x=x, y=y, color=tint, background="default", alignment="center")
    return str(plt.build())


def pieces(curve: Curve) -> list[tuple[list[float], list[float]]]:
    """The curve cut at its gaps."""
    found: list[tuple[list[float], list[float]]] = []
    gaps = iter((*sorted(curve.gaps), float("inf")))
    gap = next(gaps)
    xs: list[float] = []
    ys: list[float] = []
    for x, y in zip(curve.xs, curve.ys, strict=True):
        if x >= gap:
            found.append((xs, ys))
            xs, ys = [], []
            while x >= gap:
                gap = next(gaps)
        xs.append(x)
        ys.append(y)
    return [(a, b) for a, b in (*found, (xs, ys)) if a]


def letter_places(curve: Curve, number: int, of: int) -> list[tuple[float, float]]:
    """Where a curve carries its letter: at its end, and once on the way where others have none."""
    if not curve.xs:
        return []
    last = len(curve.xs) - 1
    way = round(last * (number + 1) / (of + 1))
    return [(curve.xs[i], curve.ys[i]) for i in sorted({way, last})]


def _limits(figure: Figure, *, to_round: bool) -> tuple[float, float, float, float]:
    """Left, right, low and high. to_round: whether the horizontal axis ends at a round number, or with the curves."""
    xs = [x for curve in figure.curves for x in (*curve.xs, *curve.gaps)]
    ys = [y for curve in figure.curves for y in curve.ys]
    left, right = ticks.limits([0.0, *xs]) if to_round else (min(0.0, *xs), max(*xs, 1.0))
    low, high = ticks.whole_limits(ys) if figure.logarithmic else ticks.limits(ys)
    return left, right, low, min(high, 100.0) if figure.y_label == "%" and max(ys) <= 100 else high


def _labelled(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    places = ticks.round_ticks(low, high, max(2, most))
    return places, [ticks.label(place, places) for place in places]


def _powers_of_ten(low: float, high: float, most: int) -> tuple[list[int], list[str]]:
    whole = ticks.whole_ticks(low, high, max(2, most))
    return whole, [f"1e{tick}" for tick in whole]
