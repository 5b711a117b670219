"""PlotView: a figure under a heading with its unit, a legend and the values that are not finite."""

from collections.abc import Mapping

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from revconsole.lab import format as shown
from revconsole.lab.curves import canvas
from revconsole.lab.curves.canvas import Ground, Mark
from revconsole.lab.curves.colours import as_style, of_curve
from revconsole.lab.curves.figures import Curve, Figure, powers
from revconsole.records.printable import one_line

LEAST_HEIGHT = 6


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
        yield Static(Text(self._title), classes="heading")
        yield Static(classes="plot")

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
        plot = self.query_one(".plot", Static)
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
            ground, ink = self._tint("surface"), self._tint("foreground")
            width, height = self.size.width, self.size.height - 1
            text = canvas.drawn(drawn, marks, width, height, ground=ground, ink=ink)
            plot.update(Text.from_ansi(text, no_wrap=True))

    def _tint(self, name: str) -> Ground:
        """A colour of the theme; the terminal's own where the theme leaves it to that."""
        colour = Color.parse(self.app.theme_variables[name])
        return "default" if colour.ansi is not None else colour.rgb

    def _marks(self, curves: tuple[Curve, ...]) -> list[Mark]:
        if self._places:
            places = [self._places[curve.run_id] for curve in curves]
            signs = [canvas.letter(place) for place in places]
        else:
            places = list(range(len(curves)))
            signs = canvas.letters([curve.label for curve in curves])
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
