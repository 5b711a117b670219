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
    """The same with its section, as on an axis: `scheme gamma`."""
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
    """Items with commas, and `and` before the last."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def plural(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
