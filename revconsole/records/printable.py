"""Printable text: whatever came from outside is shown as text, never obeyed by the terminal.

Run names, log lines and dataset labels may carry escape sequences, control characters or bidirectional
overrides; rich and textual pass those through. Everything shown goes through `printable`.
"""

import unicodedata

KEPT = {"\n", "\t"}
HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Controls, format characters (bidi, zero width), lone surrogates, private and unassigned, line separators."""


def printable(text: str, limit: int = 4000) -> str:
    """`text` with every character a terminal might obey replaced by `�`, cut at `limit` characters."""
    shown = "".join(c if c in KEPT or _harmless(c) else "�" for c in text[:limit])
    return shown + "…" if len(text) > limit else shown


def one_line(text: str, limit: int = 200) -> str:
    """As `printable`, on one line."""
    return printable(" ".join(text.split()), limit)


def _harmless(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character) not in HIDDEN_CATEGORIES
