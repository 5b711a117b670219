"""Names of timm's models, read from its source files: importing timm would load torch."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from revconsole.errors import UnknownName

MADE = re.compile(r"^@register_model\ndef (\w+)\(", re.MULTILINE)
RENAMED = re.compile(
    r"^register_model_deprecations\(__name__, \{(.*?)^\}\)", re.MULTILINE | re.DOTALL
)
OLD_NAME = re.compile(r"'(\w+)'\s*:")


def refuse_unknown(name: str) -> None:
    """Raise UnknownName for a name, with or without a tag behind a dot, that timm does not have.

    Where its sources are not to be read so, nothing is said: building the model tells.
    """
    known, old = _names()
    if known and name.partition(".")[0] not in known | old:
        raise UnknownName("timm model", name.rpartition("/")[2], known)


def names() -> frozenset[str]:
    """What `timm.list_models` lists; empty where timm is not installed."""
    return _names()[0]


@cache
def _names() -> tuple[frozenset[str], frozenset[str]]:
    """The names of today, and those that timm still takes for one of them."""
    made: set[str] = set()
    renamed: set[str] = set()
    for text in _sources():
        made.update(MADE.findall(text))
        renamed.update(old for table in RENAMED.findall(text) for old in OLD_NAME.findall(table))
    return frozenset(made), frozenset(renamed)


def _sources() -> Iterator[str]:
    found = find_spec("timm")
    for place in (found.submodule_search_locations if found else None) or ():
        for file in sorted(Path(place, "models").glob("*.py")):
            yield file.read_text(encoding="utf-8", errors="replace")
