"""Grey: what is painted in greys that are as light to the eye as its colours were, so that contrasts stay what they were."""

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from revconsole.lab.curves.colours import luminance


class Grey(LineFilter):
    """Paints in greys, for the monochrome theme: curves and pictures have colours of their own.

    Textual's own filter weighs the encoded values instead of what `luminance` weighs.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments in greys."""
        del background
        return [Segment(text, style and _in_grey(style), code) for text, style, code in segments]


@lru_cache(1024)
def _in_grey(style: Style) -> Style:
    return style + Style.from_color(_grey(style.color), _grey(style.bgcolor))


def _grey(colour: RichColor | None) -> RichColor | None:
    if colour is None or colour.is_default:
        return None
    level = round(255 * _encoded(luminance(colour.get_truecolor())))
    return RichColor.from_rgb(level, level, level)


def _encoded(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
