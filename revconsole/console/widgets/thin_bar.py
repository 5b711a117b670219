"""ThinBar: a scrollbar drawn as a line. Textual's own fills whole cells, so that one below a table is as high as its text."""

from collections.abc import Iterator
from typing import Any

from rich.segment import Segment, Segments
from rich.style import Style
from textual.scrollbar import ScrollBarRender

ACROSS, DOWN = "━", "┃"


class ThinBar(ScrollBarRender):
    """Draws what can be dragged as a line; a click means the same as on Textual's bar."""

    @classmethod
    def render_bar(cls, *sizes: Any, **options: Any) -> Segments:
        """The bar, cell by cell. The options are Textual's: its colours, whether it is vertical, and sizes."""
        bar = super().render_bar(*sizes, **options)
        sign = DOWN if options.get("vertical", True) else ACROSS
        style = Style(color=options.get("bar_color"), bgcolor=options.get("back_color"))
        return Segments(_lines(bar, sign, style), new_lines=bar.new_lines)


def _lines(bar: Segments, sign: str, line: Style) -> Iterator[Segment]:
    for each in bar.segments:
        meta = each.style.meta if each.style else {}
        dragged = meta.get("@mouse.down") == "grab"
        yield Segment(sign * len(each.text), line + Style(meta=meta)) if dragged else each
