"""PlotView: a figure with its heading: title, unit, a legend in words, best and last values, and what is not finite."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from revconsole.console.colours import of_curves
from revconsole.console.view_state import config_of
from revconsole.console.widgets.panes import PaneHeading
from revconsole.console.widgets.plot_area import PlotArea
from revconsole.lab.curves import bars, canvas, heat, legend
from revconsole.lab.curves.canvas import Mark, PlottedFigure
from revconsole.lab.curves.cells import Ink, Line, Marker, usual_marker
from revconsole.lab.curves.colours import as_style, of_curve
from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.scales import Scale
from revconsole.lab.format import fitted

NOT_YET = "nothing measured yet"
LEAST_HEIGHT = 4
"""Rows from which a plot is drawn under its heading."""
LEAST_WIDTH, EDGES = 16, 3
"""Columns from which a plot is drawn, and those of its heading that blanks and the corners of a frame take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emphasis:
    """What a screen stresses in its plots, the same in all of them.

    places: place of each run in the palette. letters: letter of each run; empty where the curves belong to one run. front:
    the run that is drawn last, while the others stand back. baseline: the run to which differences are given. cursor: the
    place of the value cursor.
    """

    places: Mapping[str, int] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)
    front: str = ""
    baseline: str = ""
    cursor: float | None = None


class PlotView(Vertical, can_focus=True):
    """Shows one figure; paints only what changed, and nothing while it is hidden."""

    class Sized(Message):
        """The plot's width has changed, so figures should be decimated again."""

    def __init__(self, title: str, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._title = title
        self._figure: Figure | None = None
        self._absent = NOT_YET
        self._emphasis = Emphasis()
        self._picture: PlottedFigure | None = None
        self._curves: tuple[object, PlottedFigure] | None = None
        """What the curves were drawn for, and the picture of them without a cursor."""
        self._vertical: tuple[str, Scale] | None = None
        self._marker: Marker = "braille"

    def compose(self) -> ComposeResult:
        """A heading and the plot."""
        yield PaneHeading(Text(self._title))
        yield PlotArea()

    def on_mount(self) -> None:
        """Start without a plot; redraw when the theme changes."""
        chosen = config_of(self.app)["drawing"]
        self._marker = chosen if chosen in get_args(Marker) else usual_marker()
        self._draw()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw(restyled=True))

    def on_resize(self, _: events.Resize) -> None:
        """Redraw, because ticks, legend and decimation depend on the size."""
        self._draw()
        self.post_message(self.Sized())

    def on_show(self) -> None:
        """Draw what arrived while the plot was hidden."""
        self._draw()

    @property
    def columns(self) -> int:
        """The number of columns that a curve can use."""
        return max(10, self.size.width - 8)

    @property
    def figure(self) -> Figure | None:
        """The figure that is shown."""
        return self._figure

    @property
    def column_share(self) -> float:
        """The share of the plot's width that one column takes."""
        return 1 / max(1, self._picture.columns if self._picture else self.columns)

    def show_figure(
        self,
        figure: Figure | None,
        emphasis: Emphasis | None = None,
        *,
        title: str = "",
        absent: str = NOT_YET,
    ) -> None:
        """Draw `figure`. title: shown while there is none. absent: the sentence shown in place of curves."""
        emphasis = emphasis or Emphasis()
        now = (figure, emphasis, title or self._title, absent)
        if now != (self._figure, self._emphasis, self._title, self._absent):
            self._figure, self._emphasis, self._title, self._absent = now
            self._draw()

    def _draw(self, *, restyled: bool = False) -> None:
        if not self.is_attached or not self.children or not self._seen():
            return
        figure, area = self._figure, self.query_one(PlotArea)
        height = self.size.height - self.query_one(PaneHeading).display
        room = height + 1 >= LEAST_HEIGHT and self.size.width >= LEAST_WIDTH
        if figure is None or not (figure.curves or figure.bars):
            area.display = room
            self._say_absent(area, height if room else 0)
            return
        area.display = room and (bool(figure.bars) or any(curve.ys for curve in figure.curves))
        marks = self._marks(figure.curves)
        self._say(self._heading(figure, marks))
        if area.display:
            self._picture = self._drawn(figure, marks, height)
            self._vertical = (f"{figure.title}{figure.y_label}", self._picture.vertical)
            area.show_picture(self._picture)
        if restyled:
            area.restyle()

    def _seen(self) -> bool:
        """Whether the plot is on the screen; a hidden one has no size, and one on a covered screen is drawn when shown."""
        return self.size.width > 0 and self.display

    def _drawn(self, figure: Figure, marks: Sequence[Mark], height: int) -> PlottedFigure:
        if figure.bars:
            colours = of_curves(self.app)
            return bars.drawn(figure, self.size.width, height, marker=self._marker, colours=colours)
        if figure.by_block:
            cursor, marker = self._emphasis.cursor, self._marker
            return heat.drawn(figure, self.size.width, height, marker=marker, cursor=cursor)
        cursor, picture = self._emphasis.cursor, self._without_cursor(figure, marks, height)
        return picture if cursor is None else canvas.with_cursor(picture, cursor, self._marker)

    def _without_cursor(self, figure: Figure, marks: Sequence[Mark], height: int) -> PlottedFigure:
        """The curves, drawn again only if more than the cursor has changed."""
        front = next((n for n, c in enumerate(figure.curves) if c.of(self._emphasis.front)), None)
        asked = (figure, list(marks), self.size.width, height, front)
        if self._curves is not None and self._curves[0] == asked:
            return self._curves[1]
        key, before = self._vertical or ("", None)
        picture = canvas.drawn(
            figure,
            marks,
            self.size.width,
            height,
            marker=self._marker,
            front=front,
            before=before if key == f"{figure.title}{figure.y_label}" else None,
        )
        self._curves = asked, picture
        return picture

    def _say_absent(self, area: PlotArea, height: int) -> None:
        """Say why there is no curve: in the middle of the pane, or in its heading where that is all there is."""
        more = "" if height else f": {self._absent}"
        self._say(Text(f"{self._title}{more}", no_wrap=True, overflow="ellipsis"))
        sentence = fitted(self._absent, self.size.width - 2).center(self.size.width)
        blank: Line = [(" " * self.size.width, Ink())]
        lines = [[(sentence, Ink())] if row == height // 2 else blank for row in range(height)]
        area.show_lines(lines)

    def _say(self, heading: Text) -> None:
        self.query_one(PaneHeading).say(heading)

    def _marks(self, curves: tuple[Curve, ...]) -> list[Mark]:
        emphasis, colours = self._emphasis, of_curves(self.app)
        if not emphasis.letters:
            signs = canvas.letters([curve.word or curve.label for curve in curves])
            return [
                Mark(letter=sign if curve.label else "", colour=of_curve(place, colours))
                for place, (sign, curve) in enumerate(zip(signs, curves, strict=True))
            ]
        return [
            Mark(
                letter=emphasis.letters.get(c.run_id, "?"),
                colour=of_curve(emphasis.places.get(c.run_id, 0), colours),
                faint=bool(emphasis.front) and not c.of(emphasis.front),
            )
            for c in curves
        ]

    def _heading(self, figure: Figure, marks: Sequence[Mark]) -> Text:
        """Title and unit, and as much of the legend as fits, in words at every width."""
        every = legend.headings(figure, marks, baseline=self._emphasis.baseline)
        room = self.size.width - EDGES
        start, entries = next(
            ((t, form) for t, form in every if cell_len(t) + sum(map(cell_len, form)) <= room),
            every[-1],
        )
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(start, style="bold")
        for entry, mark in zip(entries, marks, strict=False):
            text.append(entry, style=f"not bold {as_style(mark.colour)}")
        text.append("".join(entries[len(marks) :]), style="not bold")
        return text
