"""Told: lines of a name and a sentence as text: names aligned, sentences wrapped under themselves, a tone each."""

import textwrap
from collections.abc import Mapping, Sequence

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.lab.reversibility import Told, Tone
from revconsole.records.printable import one_line

TINTS: Mapping[Tone, str] = {
    "good": "text-success", "plain": "", "doubtful": "text-warning", "bad": "text-error",
}  # fmt: skip
SIGNS: Mapping[Tone, str] = {"good": "✓", "plain": "·", "doubtful": "!", "bad": "✗"}
"""A sign for each tone, as colour is never the only one."""
NAME, LEAST = 13, 20
MOST = 600


def heading(badge: Told, variables: Mapping[str, str], width: int) -> Text:
    """The badge: its word set off, then its sentence."""
    tint = themed(variables, TINTS[badge.tone]) if TINTS[badge.tone] else ""
    text = Text(f" {SIGNS[badge.tone]} {badge.name} ", style=f"bold reverse {tint}".strip())
    room = max(width - len(text) - 2, LEAST)
    first, *others = textwrap.wrap(one_line(badge.text, MOST), room) or [""]
    rest = "".join(f"\n{' ' * (len(text) + 2)}{line}" for line in others)
    return Text("").append_text(text).append(f"  {first}{rest}")


def lines(told: Sequence[Told], variables: Mapping[str, str], width: int) -> Text:
    """Every line, wrapped to the width."""
    text = Text()
    for number, each in enumerate(told):
        tint = themed(variables, TINTS[each.tone]) if TINTS[each.tone] else ""
        sign = " " if each.tone == "plain" else SIGNS[each.tone]
        text.append("\n" if number else "")
        text.append(f"{sign} ", style=tint)
        text.append(f"{each.name:<{NAME}} ", style="dim")
        room = max(width - NAME - 3, LEAST)
        indent = "\n" + " " * (NAME + 3)
        wrapped = textwrap.wrap(one_line(each.text, MOST), room) or [""]
        text.append(indent.join(wrapped), style=tint if each.tone in {"bad", "doubtful"} else "")
    return text
