"""BoundaryView: the decision boundary of a run with test points, as large as its pane."""

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from revconsole.console.widgets.panes import PaneHeading
from revconsole.lab.boundary import drawn, letters
from revconsole.lab.curves.colours import as_style
from revconsole.records.logs.boundary import Boundary
from revconsole.records.printable import one_line

WIDEST = 4
"""Most columns per line of a plane: two are true to scale, more would distort a circle too much."""


class BoundaryView(Vertical, can_focus=True):
    """Shows one boundary; redraws only if the boundary or the size changed."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._boundary: Boundary | None = None

    def compose(self) -> ComposeResult:
        """A heading and the plane."""
        yield PaneHeading(Text("boundary"))
        yield Static(classes="plane")

    def on_resize(self, _: events.Resize) -> None:
        """Redraw the plane at the size of the pane."""
        self._draw()

    def show_boundary(self, boundary: Boundary | None) -> None:
        """Show the newest boundary of a run."""
        if boundary != self._boundary:
            self._boundary = boundary
            self._draw()

    def _draw(self) -> None:
        boundary, width, lines = self._boundary, self.size.width, self.size.height
        lines -= self.query_one(PaneHeading).display
        if boundary is None or lines < 1:
            return
        columns = min(width, WIDEST * lines)
        heading = Text(_heading(boundary), no_wrap=True, overflow="ellipsis")
        self.query_one(PaneHeading).say(heading)
        plane = Text(no_wrap=True)
        for row in drawn(boundary, columns=columns, lines=lines):
            plane.append(" " * ((width - columns) // 2))
            for cell in row:
                plane.append(cell.sign, style=f"{as_style(cell.ink)} on {as_style(cell.ground)}")
            plane.append("\n")
        plane.rstrip()
        self.query_one(".plane", Static).update(plane)


def _heading(boundary: Boundary) -> str:
    """The meaning of the signs, the most important first, as the end may be cut off."""
    (first, second), (a, b) = boundary.names, letters(boundary.names)
    tested = ", tested" if boundary.tested else ""
    return (
        f"boundary, epoch {boundary.epoch}{tested}: {a} {one_line(first, 20)}, {b} {one_line(second, 20)} (inked)"
        ", capitals: wrong prediction"
    )
