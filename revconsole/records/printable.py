"""Printable text: text from outside may hold escape sequences and bidirectional overrides, which no terminal may interpret."""

import json
import re
import unicodedata
from typing import Any

KEPT = {"\n", "\t"}
NOT_PRINTED = re.compile(r"[^\n -~]")
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories: controls, formats (bidi, zero width), surrogates, private use, unassigned, separators."""


def printable(text: str, limit: int = 4000) -> str:
    """The text with every character that a terminal might interpret replaced by `�`, cut at `limit` characters."""
    shown = "".join(c if c in KEPT or _harmless(c) else "�" for c in text[:limit])
    return shown + "…" if len(text) > limit else shown


def one_line(text: str, limit: int = 200) -> str:
    """The text on one line, made safe by `printable`."""
    return printable(" ".join(text.split()), limit)


def json_text(body: Any) -> str:
    """`body` as JSON, with what a terminal might interpret escaped; a lone surrogate, which readers refuse, becomes U+FFFD."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return NOT_PRINTED.sub(lambda match: _escaped(match[0]), text)


def json_escaped(text: str) -> str:
    """A JSON text in ASCII: every other character as an escape."""
    return NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)


def json_line(body: Any) -> str:
    """`body` as JSON on one line, in ASCII. Raises ValueError for a number that is not finite."""
    return json.dumps(body, allow_nan=False)


def _escaped(character: str) -> str:
    if _harmless(character):
        return character
    if unicodedata.category(character) == "Cs":
        return "\\ufffd"
    return json.dumps(character)[1:-1] if not character.isascii() else f"\\u{ord(character):04x}"


def _harmless(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character) not in HIDDEN_CATEGORIES


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 seed`, `2 seeds`, `2 classes`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def size(count: int) -> str:
    """A number of bytes in MiB or GiB, with three digits."""
    unit, word = (2**30, "GiB") if count >= 2**30 else (2**20, "MiB")
    return f"{count / unit:.3g} {word}" if count < 1000 * unit else f"{count / unit:,.0f} {word}"
