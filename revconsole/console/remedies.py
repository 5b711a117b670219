"""Remedies: what is odd of a form's runs, apart from the setting that would change it. No widgets."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.text import Text

from revconsole.lab.format import cells, shortened
from revconsole.records.logs.events import Advised
from revconsole.records.printable import one_line

PART = re.compile(r"[;:] ")
SETTING = re.compile(r"((?:[a-z]\w*\.)?[a-zA-Z]\w*)=([^\s,;]+)(,?)")
ACTION = re.compile(r"\w=\S|\b[a-z]+\.[a-z]\w*|`|revconsole ")
"""What the last part of a sentence has if it says what to do."""
SIGNS = {"warning": "!", "alarm": "!"}
LONGEST = 1000


def parted(sentence: str) -> tuple[str, str]:
    """A sentence, and its last part, which says what to do; empty if none does."""
    cut = [match for match in PART.finditer(sentence) if ACTION.search(sentence, match.end())]
    if not cut:
        return sentence, ""
    last = cut[-1]
    return sentence[: last.start()], sentence[last.end() :]


def remedy(sentence: str) -> dict[str, str]:
    """The settings by key that a sentence advises first, as they would be typed; empty if it names none."""
    found: dict[str, str] = {}
    for word in parted(sentence)[1].split():
        match = SETTING.fullmatch(word)
        if match is None:
            break
        found[match[1]] = match[2]
        if match[3]:
            break
    return found


def on_one_line(sentence: str, width: int) -> str:
    """The beginning of a sentence and its last part, the setting to change, in at most `width` cells."""
    last = PART.split(sentence)[-1]
    room = width - cells(last) - 1
    if cells(sentence) <= width or room < width // 3:
        return shortened(sentence, width)
    return f"{shortened(sentence, room, head=room - 1)} {last}"


def in_lines(
    notes: Sequence[Advised], width: int, most: int, *, style: dict[str, str], accent: str
) -> Text:
    """Each note in full, with what to do in a line of its own; where that takes more than `most` lines, shortened.

    style: of each level.
    """
    for lines in (_whole, _short):
        made = [line for note in notes for line in lines(note, width, style, accent)]
        if len(made) <= most:
            return _stacked(made)
    kept = max((most - 1) // 2, 1)
    made = [line for note in notes[:kept] for line in _short(note, width, style, accent)]
    left = len(notes) - kept
    return _stacked([*made, Text(f"  and {left} more", style="dim")] if left > 0 else made)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 12), break_on_hyphens=False)


def _stacked(lines: Sequence[Text]) -> Text:
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def _whole(note: Advised, width: int, style: dict[str, str], accent: str) -> Iterator[Text]:
    said, action = parted(one_line(note.text, LONGEST))
    sign = SIGNS.get(note.level, "·")
    for number, line in enumerate(_wrapped(said, width - 2)):
        yield Text(f"{sign if not number else ' '} {line}", style=style.get(note.level, ""))
    for number, line in enumerate(_wrapped(action, width - 4)):
        yield Text(f"  {'→' if not number else ' '} {line}", style=accent)


def _short(note: Advised, width: int, style: dict[str, str], accent: str) -> Iterator[Text]:
    said, action = parted(one_line(note.text, LONGEST))
    sign = SIGNS.get(note.level, "·")
    room = max(width - 2, 12)
    yield Text(f"{sign} {shortened(said, room, head=room - 1)}", style=style.get(note.level, ""))
    if action:
        yield Text(f"  → {shortened(action, max(width - 4, 12))}", style=accent)
