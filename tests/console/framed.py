"""A screen as text that can be stored and compared: what each cell says, and below a line how it is set off."""

from collections.abc import Iterator
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.app import App

from revconsole.console.colours import themed

MEANINGS = {
    "text-error": "e",
    "text-warning": "w",
    "text-success": "s",
    "text-primary": "a",
    "text-accent": "a",
}
"""Letters of the colours that the theme gives a meaning; any other colour is `c`, whatever it is."""
COLOURFUL = 40
"""Difference of two channels from which a colour is no grey."""
BELOW = "~"


def framed(app: App[Any]) -> str:
    """The screen, row by row; below a row with more than plain text a line of letters that begins with `~`.

    r is reversed or has the colours of a cursor, b is bold, d is dim, the letters of `MEANINGS` are colours, in capitals where
    bold. No colour itself is kept, so that a theme may change, and none of blanks behind a text, in which nobody sees it.
    """
    return "\n".join(line for strip in _strips(app) for line in _row(app, strip)) + "\n"


def said(app: App[Any]) -> str:
    """What the cells say, without how they are set off."""
    return "\n".join("".join(segment.text for segment in strip) for strip in _strips(app))


def _strips(app: App[Any]) -> list[list[Segment]]:
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def _row(app: App[Any], segments: list[Segment]) -> Iterator[str]:
    yield "".join(segment.text for segment in segments).rstrip()
    letters = "".join(
        (_letter(app, each.style) * len(each.text.rstrip())).ljust(len(each.text))
        for each in segments
    )
    if letters.strip():
        yield BELOW + letters.rstrip()


def _letter(app: App[Any], style: Style | None) -> str:
    if style is None:
        return " "
    variables = app.theme_variables
    if style.reverse or _hex(style.bgcolor) == themed(variables, "block-cursor-background").lower():
        return "r"
    colour = _hex(style.color)
    letter = next(
        (m for name, m in MEANINGS.items() if colour == themed(variables, name).lower()), ""
    )
    if not letter and colour and _is_colourful(colour):
        letter = "c"
    if not letter:
        return "b" if style.bold else "d" if style.dim else " "
    return letter.upper() if style.bold else letter


def _hex(colour: Any) -> str:
    return colour.get_truecolor().hex if colour is not None and not colour.is_default else ""


def _is_colourful(colour: str) -> bool:
    channels = bytes.fromhex(colour.removeprefix("#"))
    return max(channels) - min(channels) > COLOURFUL
