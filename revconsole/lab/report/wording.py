"""Wording: settings and lists as words of a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

UNSET = "unset"
FAMILY = frozenset({"name", "architecture"})
"""Settings that are called by their section: `optimizer.name` is the optimizer."""


def name_of(key: str) -> str:
    """A setting as people call it, without its section: `learning rate`."""
    section, _, last = key.rpartition(".")
    return (section if section and last in FAMILY else last).replace("_", " ")


def full_name(key: str) -> str:
    """The name of a setting with its section, as on an axis: `scheme gamma`."""
    return key.replace(".", " ").replace("_", " ")


def settings(found: Mapping[str, Any], *, unset: bool = False) -> str:
    """Settings by key as words; what is unset is left out, or said to be so."""
    words = []
    for key, value in found.items():
        name = name_of(key)
        if isinstance(value, bool):
            words.append(f"{name} on" if value else f"{name} off")
        elif value is not None:
            words.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
        elif unset:
            words.append(f"{name} {UNSET}")
    return ", ".join(words)


def in_brackets(*words: str) -> str:
    """Words behind something; nothing where there are none."""
    said = "; ".join(word for word in words if word)
    return f" ({said})" if said else ""


def listed(items: Sequence[object]) -> str:
    """Items with commas, and `and` before the last; with semicolons, where one has a comma in it: `a, b; c, d; and e`."""
    *others, last = words = [str(item) for item in items] or [""]
    if not others:
        return last
    and_last = "; and " if _have_commas(words) else " and "
    return row(others, like=words) + and_last + last


def row(items: Sequence[str], *, like: Sequence[str] = ()) -> str:
    """Items with commas; with semicolons, where one of them, or of those `like` them, has a comma in it."""
    return ("; " if _have_commas([*items, *like]) else ", ").join(items)


def _have_commas(words: Sequence[str]) -> bool:
    return any("," in word for word in words)


def plural(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
