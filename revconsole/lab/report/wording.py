"""Wording: settings and lists as words of a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.lab import format as form
from revconsole.lab.report.statistics import LEVEL, MeanDifference

UNSET = "unset"
FAMILY = frozenset({"name", "architecture"})
"""Settings named after their section: `optimizer.name` is the optimizer."""

MOST_TOLD = 40
"""Settings of all arms together that a sentence can tell."""


def name_of(key: str) -> str:
    """The name of a setting in words, without its section: `learning rate`."""
    section, _, last = key.rpartition(".")
    return (section if section and last in FAMILY else last).replace("_", " ")


def full_name(key: str) -> str:
    """The name of a setting with its section, as on an axis: `scheme gamma`."""
    return key.replace(".", " ").replace("_", " ")


def reported(*, quick: bool) -> str:
    """Heading of the accuracies that others published, which are of no short form."""
    return "reported, of the full form" if quick else "reported"


def settings(values: Mapping[str, Any], *, unset: bool = False) -> str:
    """Settings by key as words; unset settings are left out, or stated if `unset`."""
    words = []
    for key, value in values.items():
        name = name_of(key)
        if isinstance(value, bool):
            words.append(f"{name} on" if value else f"{name} off")
        elif value is not None:
            words.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
        elif unset:
            words.append(f"{name} {UNSET}")
    return ", ".join(words)


def in_brackets(*words: str) -> str:
    """Words in brackets, with a leading space; empty without words."""
    text = "; ".join(word for word in words if word)
    return f" ({text})" if text else ""


def listed(items: Sequence[object]) -> str:
    """Items with commas and a final `and`; with semicolons if an item contains a comma: `a, b; c, d; and e`."""
    *others, last = words = [str(item) for item in items] or [""]
    if not others:
        return last
    and_last = "; and " if _have_commas(words) else " and "
    return row(others, like=words) + and_last + last


def row(items: Sequence[str], *, like: Sequence[str] = ()) -> str:
    """Items with commas; with semicolons if one of them, or of `like`, contains a comma."""
    return ("; " if _have_commas([*items, *like]) else ", ").join(items)


def _have_commas(words: Sequence[str]) -> bool:
    return any("," in word for word in words)


INTERVAL = f"{100 * (1 - LEVEL):g} % interval (pp)"
"""Heading of the intervals of differences."""


def verdict(gain: MeanDifference, to: str = "") -> str:
    """A difference in percentage points, perhaps with whom it is to, and the result of its test or why it was not tested."""
    points = f"{gain.mean * 100:+.2f} pp{f' to {to}' if to else ''}"
    if gain.p is None:
        return f"{points} (not tested: {gain.why_untested})"
    value = "p < 0.001" if gain.p < 0.001 else f"p = {gain.p:.3f}"
    doubt = "" if gain.distinguishable else "not distinguishable, "
    return f"{points} ({doubt}{value})"


def tested(gain: MeanDifference | None) -> str:
    """The result of a test as a cell: p and whether it tells anything, or why there was no test."""
    if gain is None:
        return form.UNKNOWN
    if gain.p is None:
        return f"not tested: {gain.why_untested}"
    value = "< 0.001" if gain.p < 0.001 else f"{gain.p:.3f}"
    return value if gain.distinguishable else f"{value}, not distinguishable"


def interval(gain: MeanDifference | None) -> str:
    """The interval of a difference in percentage points: `+0.52 to +5.48`."""
    if gain is None or gain.interval is None:
        return form.UNKNOWN
    return " to ".join(f"{100 * end:+.2f}" for end in gain.interval)


def effect(gain: MeanDifference | None) -> str:
    """The effect size of a difference."""
    return form.UNKNOWN if gain is None or gain.effect is None else f"{gain.effect:+.2f}"
