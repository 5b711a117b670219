"""Colours of the theme as rich styles."""

from collections.abc import Mapping
from typing import Any

from textual.app import App

from revconsole.lab.curves.colours import Palette, palette


def themed(variables: Mapping[str, str], name: str) -> str:
    """A colour variable of the theme as a rich style; empty if rich cannot express it."""
    value = variables.get(name, "")
    known = value.startswith(("#", "ansi_")) and " " not in value
    return value.removeprefix("ansi_") if known else ""


def muted(variables: Mapping[str, str]) -> str:
    """The style of what stands back in a table: a colour, which the cursor's replaces, where dim text would stay dim."""
    return themed(variables, "text-muted") or "dim"


def of_curves(app: App[Any]) -> Palette:
    """The colours of curves in the theme, as far as the terminal has them; a picture that no terminal shows has all."""
    few = app.console.color_system == "standard" and not app.is_headless
    return palette(dark=app.current_theme.dark, few=few)
