"""Ranking: how well names match what is typed, for every search of the console."""

import re
from collections.abc import Iterable

NOT_MATCHED = 5
"""The rank of a name without all the words."""
BETWEEN = re.compile(r"[ .\-/]+")


def rank(typed: str, names: Iterable[str]) -> int:
    """The least of the ranks of some names of one thing; 0 is the best, NOT_MATCHED none.

    0: it is what is typed, or its plural. 1: it begins so. 2: it begins with the first word. 3: words of it begin with the words. 4: it has them.
    Case does not count, and `_` is a space.
    """
    asked = _plain(typed)
    return min((_rank(asked, asked.split(), _plain(name)) for name in names), default=NOT_MATCHED)


def _rank(asked: str, words: list[str], name: str) -> int:
    if not all(word in name for word in words):
        return NOT_MATCHED
    if name in {asked, f"{asked}s"}:
        return 0
    if name.startswith(asked):
        return 1
    if name.startswith(words[0]):
        return 2
    own = BETWEEN.split(name)
    return 3 if all(any(each.startswith(word) for each in own) for word in words) else 4


def _plain(text: str) -> str:
    return text.lower().replace("_", " ").strip()
