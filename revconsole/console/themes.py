"""Themes: the four that are made for this console. One accent; states have the colours of success, warning and error."""

from collections.abc import Mapping
from typing import Any

from textual.theme import Theme

SLOTS = (
    "primary", "secondary", "accent", "foreground", "background", "surface", "panel", "boost", "success", "warning", "error",
)  # fmt: skip
COLOURS = {
    "dark": (
        "#5fb3a8", "#7a93ac", "#5fb3a8", "#d6dbe0", "#101418", "#14191e", "#1d242b", "#1a2026", "#86b56a", "#d9a441", "#e0706a",
    ),
    "light": (
        "#0f766e", "#4b6478", "#0f766e", "#20262c", "#ffffff", "#fbfbf9", "#e9ebe8", "#f1f2ef", "#3d7a1f", "#8a5a00", "#b3261e",
    ),
    "contrast": (
        "#00e5ff", "#ffffff", "#00e5ff", "#ffffff", "#000000", "#000000", "#262626", "#1a1a1a", "#5cff5c", "#ffd500", "#ff5555",
    ),
    "mono": (
        "#c8c8c8", "#a0a0a0", "#ffffff", "#d8d8d8", "#101010", "#141414", "#242424", "#1c1c1c", "#d8d8d8", "#f0f0f0", "#ffffff",
    ),
}  # fmt: skip
"""A colour for each of `SLOTS`. The monochrome theme tells states apart by their signs and words alone."""
VIVID = {
    "dark": {
        "primary": "#55ffff", "accent": "#55ffff", "success": "#55ff55", "warning": "#ffff55", "error": "#ff5555",
    },
    "light": {"primary": "#0000ff", "accent": "#0000ff", "success": "#00c000"},
}  # fmt: skip
"""In a terminal of 16 colours, where the softer ones would all become white or grey."""
MUTED = {"dark": "#9aa4ad", "light": "#59626a", "contrast": "#e0e0e0", "mono": "#a8a8a8"}
"""Colours of text that stands back."""
MONO = {"input-selection-background": "#4a4a4a"}
CONTRAST = {"footer-key-foreground": "#ffd500"}
FRAMES = {"dark": "#3b4854", "light": "#b9c0bb", "contrast": "#8c8c8c", "mono": "#5a5a5a"}
"""Colours of the frames of panes."""
THUMBS = {"dark": "#65727d", "light": "#878e89", "contrast": "#8c8c8c", "mono": "#6c6c6c"}
"""Colours of what is dragged in a scrollbar, on the ground of what it scrolls: 3 to 1 or more."""


def _theme(name: str, slots: dict[str, Any]) -> Theme:
    ground, thumb, held = slots["surface"], THUMBS[name], slots["primary"]
    variables = {
        "boost": slots["boost"],  # Textual has none of its own where there is a panel
        "text-muted": MUTED[name], "border-blurred": FRAMES[name],
        "scrollbar": thumb, "scrollbar-hover": held, "scrollbar-active": held, "scrollbar-background": ground,
        "scrollbar-background-hover": ground, "scrollbar-background-active": ground, "scrollbar-corner-color": ground,
    }  # fmt: skip
    variables |= MONO if name == "mono" else {}
    variables |= CONTRAST if name == "contrast" else {}
    return Theme(f"revconsole-{name}", dark=name != "light", variables=variables, **slots)


def themes(changes: Mapping[str, Mapping[str, str]]) -> tuple[Theme, ...]:
    """The four themes. changes: other colours for some slots, by theme."""
    every = {name: dict(zip(SLOTS, colours, strict=True)) for name, colours in COLOURS.items()}
    return tuple(_theme(name, {**slots, **changes.get(name, {})}) for name, slots in every.items())


THEMES = themes({})
"""The first is the default."""
MONOCHROME = THEMES[-1].name
