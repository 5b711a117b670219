"""Names of timm's models, read from its source files, because importing timm would import torch."""

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
    """Raise UnknownName for a name, with or without a tag, that timm does not have; pass where timm's sources cannot be read."""
    known, old = _names()
    if known and name.partition(".")[0] not in known | old:
        raise UnknownName("timm model", name.rpartition("/")[2], known)


def names() -> frozenset[str]:
    """The names that `timm.list_models` lists; empty if timm is not installed."""
    return _names()[0]


@cache
def _names() -> tuple[frozenset[str], frozenset[str]]:
    """The current names, and the deprecated names that timm still accepts."""
    written: set[str] = set()
    renamed: set[str] = set()
    for text in _sources():
        written.update(MADE.findall(text))
        renamed.update(old for table in RENAMED.findall(text) for old in OLD_NAME.findall(table))
    return frozenset(written), frozenset(renamed)


def _sources() -> Iterator[str]:
    spec = find_spec("timm")
    for place in (spec.submodule_search_locations if spec else None) or ():
        for file in sorted(Path(place, "models").glob("*.py")):
            yield file.read_text(encoding="utf-8", errors="replace")
