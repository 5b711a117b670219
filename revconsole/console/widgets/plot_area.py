"""PlotArea: the lines of a plot; only the cells that changed are painted again."""

from collections.abc import Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from revconsole.lab.curves.canvas import PlottedFigure
from revconsole.lab.curves.cells import Ink, Line
from revconsole.lab.curves.colours import as_style, legible_on, mixed

FAINT = 0.5
"""Share of its colour that a faint text keeps over the background."""
WHEEL = 0.8
"""Share of the axis that is left when the wheel zooms in by one notch."""


LEGIBLE = 0.66
"""Share of the text's colour in that of ticks; with less the light theme is below the 4.5 of WCAG."""


class PlotArea(Widget):
    """Shows lines of text with ink. Wheel, drag and click become messages while it shows a figure."""

    class Zoomed(Message):
        """The wheel was turned over the plot. around: the place under the pointer."""

        def __init__(self, factor: float, around: float) -> None:
            super().__init__()
            self.factor, self.around = factor, around

    class Panned(Message):
        """The plot was dragged by a share of its width."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    class Pointed(Message):
        """A place on the horizontal axis was clicked."""

        def __init__(self, x: float) -> None:
            super().__init__()
            self.x = x

    def __init__(self) -> None:
        super().__init__(classes="plot")
        self.picture: PlottedFigure | None = None
        self._lines: list[Line] = []
        self._held: int | None = None
        self._dragged = False

    def show_picture(self, picture: PlottedFigure) -> None:
        """Show a figure, whose axes tell what wheel, drag and click mean."""
        self.picture = picture
        self.show_lines(picture.lines)

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines in place of the ones before."""
        before, self._lines = self._lines, list(lines)
        for row in range(max(len(before), len(lines))):
            old = before[row] if row < len(before) else []
            new = lines[row] if row < len(lines) else []
            for first, last in changes(old, new) if old != new else ():
                self.refresh(Region(first, row, last - first + 1, 1))

    def restyle(self) -> None:
        """Paint everything again, because the colours changed."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the plot."""
        line = self._lines[y] if y < len(self._lines) else []
        ground = self.background_colors[1]
        foreground = self.app.theme_variables["foreground"]
        segments = [Segment(text, _style(ink, ground, foreground)) for text, ink in line]
        return Strip(segments).adjust_cell_length(self.size.width, Style(bgcolor=_rich(ground)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in."""
        event.stop()
        self._zoom(WHEEL, event.x)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        event.stop()
        self._zoom(1 / WHEEL, event.x)

    def _zoom(self, factor: float, column: int) -> None:
        if self.picture is not None:
            self.post_message(self.Zoomed(factor, self.picture.x_of(column)))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag."""
        self._held, self._dragged = event.x, False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag."""
        if self.picture is not None and self._held is not None and event.x != self._held:
            self.post_message(self.Panned((self._held - event.x) / max(1, self.picture.columns)))
            self._held, self._dragged = event.x, True

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End a drag, or set the cursor."""
        self.release_mouse()
        if self.picture is not None and self._held is not None and not self._dragged:
            self.post_message(self.Pointed(self.picture.x_of(event.x)))
        self._held = None


@lru_cache(maxsize=1024)  # a line has tens of texts, and a key paints every line that it crosses
def _style(ink: Ink, ground: Color, foreground: str) -> Style:
    """The style of an ink over a ground, in a theme whose text has the colour `foreground`."""
    back = _rich(ground)
    if ink.colour is None:
        muted = Color.parse(foreground)
        if muted.ansi is not None or ground.ansi is not None:
            return Style(bgcolor=back, dim=True)
        grey = mixed(muted.rgb, ground.rgb, LEGIBLE)
        return Style(color=as_style(grey), bgcolor=back)
    plain = ground.ansi is not None
    colour = ink.colour if plain or not ink.faint else mixed(ink.colour, ground.rgb, FAINT)
    if ink.filled and not plain:
        over = as_style(legible_on(colour)) if ink.faint else back
        return Style(color=over, bgcolor=as_style(colour))
    return Style(color=as_style(colour), bgcolor=back, dim=plain and ink.faint, reverse=ink.filled)


def changes(old: Line, new: Line) -> list[tuple[int, int]]:
    """The first and last cell of each stretch of cells that differ; stretches a few cells apart are one."""
    a = [(letter, ink) for text, ink in old for letter in text]
    b = [(letter, ink) for text, ink in new for letter in text]
    blank = (" ", Ink())
    width = max(len(a), len(b))
    a += [blank] * (width - len(a))
    b += [blank] * (width - len(b))
    stretches: list[tuple[int, int]] = []
    for at in range(width):
        if a[at] == b[at] or (a[at][0] == b[at][0] == " "):
            continue
        if stretches and at - stretches[-1][1] <= NEAR:
            stretches[-1] = (stretches[-1][0], at)
        else:
            stretches.append((at, at))
    return stretches


NEAR = 8
"""Cells between two changes that cost less than moving the terminal's cursor over them."""


def _rich(ground: Color) -> str:
    return ground.rich_color.name if ground.ansi is None else "default"
