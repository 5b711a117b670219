"""Printable text: external text is displayed as text and never interpreted by the terminal.

Run names, log lines and dataset labels may contain escape sequences, control characters or bidirectional overrides;
rich and textual pass those through. Everything shown goes through `printable`.
"""

import json
import re
import unicodedata
from typing import Any

KEPT = {"\n", "\t"}
NOT_PRINTED = re.compile(r"[^\n -~]")
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
    """`body` as JSON, with every character that a terminal might interpret escaped.

    A lone surrogate, which strict readers refuse, becomes U+FFFD.
    """
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return NOT_PRINTED.sub(lambda match: _escaped(match[0]), text)


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
