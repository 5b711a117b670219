"""Colours of the theme as rich styles."""

from collections.abc import Mapping


def themed(variables: Mapping[str, str], name: str) -> str:
    """A variable of the theme as a rich style; empty for what rich has no word for."""
    value = variables.get(name, "")
    return value.removeprefix("ansi_") if value.startswith(("#", "ansi_")) else ""
