"""PlotView: a figure with axes, units, a legend and letters on its curves, drawn with plotext.

Figures come decimated. What cannot be drawn (values that are not finite) breaks the curve, is marked with a
cross at the foot of the plot and named in the heading. Letters tell curves apart where colours do not.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from revconsole.console.colours import Colour, as_style, of_curve
from revconsole.console.widgets import ticks
from revconsole.lab import format as shown
from revconsole.lab.figures import Curve, Figure, powers
from revconsole.records.printable import one_line

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

Mark = tuple[str, Colour]
"""Letter and colour of a curve."""
CROSS = "×"
LEAST_HEIGHT = 6


def letters(labels: list[str]) -> list[str]:
    """One sign per curve: the initials where they differ, else A, B, C, …"""
    initials = [label.strip()[:1].upper() for label in labels]
    if len(set(initials)) == len(initials) and all(i.isascii() and i.isalpha() for i in initials):
        return initials
    return [letter(n) for n in range(len(labels))]


def letter(number: int) -> str:
    """A for 0, B for 1, …"""
    return chr(ord("A") + number % 26)


class PlotView(Vertical, can_focus=True):
    """Shows one figure. Redraws only if the figure or its own size changed."""

    class Sized(Message):
        """The plot has another width, so figures should be decimated anew."""

    def __init__(self, title: str, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._title = title
        self._figure: Figure | None = None
        self._absent = "nothing measured yet"
        self._places: Mapping[str, int] = {}

    def compose(self) -> ComposeResult:
        """A heading and the plot."""
        from textual_plotext import PlotextPlot  # 20 ms: only when a plot is shown

        yield Static(Text(self._title), classes="heading")
        yield PlotextPlot()

    def on_mount(self) -> None:
        """Begin without a plot; draw anew for another theme."""
        self._draw()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self, _: events.Resize) -> None:
        """Ticks, legend and decimation depend on the size."""
        self._draw()
        self.post_message(self.Sized())

    @property
    def columns(self) -> int:
        """Columns that a curve can use."""
        return max(10, self.size.width - 7)

    def show_figure(
        self,
        figure: Figure | None,
        *,
        places: Mapping[str, int] | None = None,
        absent: str = "nothing measured yet",
    ) -> None:
        """Draw `figure`. With `places`, a curve has letter and colour by the place of its run.

        absent: what is said in place of curves.
        """
        if (figure, absent) != (self._figure, self._absent):
            self._figure, self._places, self._absent = figure, places or {}, absent
            self._draw()

    def _draw(self) -> None:
        figure = self._figure
        plot: PlotextPlot = self.query_one("PlotextPlot")
        heading = self.query_one(".heading", Static)
        curves = figure.curves if figure else ()
        drawn = powers(figure) if figure and figure.logarithmic else figure
        visible = any(curve.ys for curve in drawn.curves) if drawn else False
        drawable = visible and self.size.height >= LEAST_HEIGHT
        plot.display = drawable
        if figure is None or not curves:
            heading.update(Text(f"{self._title}: {self._absent}", no_wrap=True))
            return
        marks = self._marks(curves)
        heading.update(self._heading(figure, marks))
        if drawn is not None and drawable:
            _draw(plot.plt, drawn, marks, self.size.width, self.size.height - 1)
            plot.refresh()

    def _marks(self, curves: tuple[Curve, ...]) -> list[Mark]:
        if self._places:
            places = [self._places[curve.run_id] for curve in curves]
            signs = [letter(place) for place in places]
        else:
            places = list(range(len(curves)))
            signs = letters([curve.label for curve in curves])
        dark = self.app.current_theme.dark
        return [(s, of_curve(p, dark=dark)) for s, p in zip(signs, places, strict=True)]

    def _heading(self, figure: Figure, marks: list[Mark]) -> Text:
        """Title, unit, what is missing, and a legend as long as there is room for.

        The unit of an error, which is none, gives way to the newest values.
        """
        gaps = sorted(x for curve in figure.curves for x in curve.gaps)
        missing = f" · not finite from {figure.x_label} {gaps[0]:g}" if gaps else ""
        full = f"{figure.title} ({figure.y_label}){missing}"
        entries = [(sign, c) for (sign, _), c in zip(marks, figure.curves, strict=True)]
        short = f"{figure.title}{missing}" if figure.logarithmic else full
        values = [f"  {s} {_last(c, figure)}" for s, c in entries]
        forms = (
            (full, [f"  {s} {one_line(c.label, 30)} {_last(c, figure)}" for s, c in entries]),
            (full, values),
            (short, values),
            (full, [f" {s}" for s, _ in entries]),
        )
        start, legend = next(
            (form for form in forms if cell_len(form[0] + "".join(form[1])) < self.size.width),
            forms[-1],
        )
        text = Text(start, no_wrap=True, overflow="ellipsis")
        for entry, (_, tint) in zip(legend, marks, strict=True):
            text.append(entry, style=as_style(tint))
        return text


def _last(curve: Curve, figure: Figure) -> str:
    if not curve.ys:
        return shown.UNKNOWN
    if figure.logarithmic:
        return shown.small(curve.ys[-1]) if curve.ys[-1] else "0, exact"
    return shown.percent(curve.ys[-1] / 100) if figure.y_label == "%" else shown.value(curve.ys[-1])


def _draw(plt: Any, figure: Figure, marks: list[Mark], width: int, height: int) -> None:
    """Put the figure into plotext's own; a logarithmic one comes as powers of ten."""
    plt.clear_figure()
    plt.xaxes(True, False)
    plt.yaxes(True, False)
    plt.xlabel(figure.x_label)
    plt.ylabel(figure.y_label)
    xs = [x for curve in figure.curves for x in (*curve.xs, *curve.gaps)]
    ys = [y for curve in figure.curves for y in curve.ys]
    left, right = min(0.0, *xs), max(*xs, 1.0)
    low, high = ticks.whole_limits(ys) if figure.logarithmic else ticks.limits(ys)
    high = min(high, 100.0) if figure.y_label == "%" and max(ys) <= 100 else high
    plt.xlim(left, right)
    plt.ylim(low, high)
    _ticks(plt.xticks, left, right, max(2, width // 12))
    if figure.logarithmic:
        whole = ticks.whole_ticks(low, high, max(2, height // 4))
        plt.yticks(whole, [f"1e{tick}" for tick in whole])
    else:
        _ticks(plt.yticks, low, high, max(2, height // 4))
    drawn = list(zip(marks, figure.curves, strict=True))
    for (_, tint), curve in drawn:
        for piece_xs, piece_ys in pieces(curve):
            plt.plot(piece_xs, piece_ys, marker="braille", color=tint)
        for x in curve.gaps:
            plt.text(CROSS, x=x, y=low, color=tint, background="default")
    for number, ((sign, tint), curve) in enumerate(drawn):
        for x, y in letter_places(curve, number, len(drawn)):
            plt.text(sign, x=x, y=y, color=tint, background="default", alignment="center")


def _ticks(put: Any, low: float, high: float, most: int) -> None:
    places = ticks.round_ticks(low, high, most)
    put(places, [ticks.label(place, places) for place in places])


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
