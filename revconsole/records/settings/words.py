"""Words: conversion between typed `key=value` words and settings."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.files.toml_file import TOO_LONG, Table, parsed

COMMAND_LINE = "command line"
KEY = re.compile(r"""["']?([A-Za-z_][\w.]*)["']?""")
PLAIN = re.compile(r"[\w.+:/*-]+")
"""A word that needs no quotes, even in a list."""
PYTHONIC = {
    "True": True, "TRUE": True, "False": False, "FALSE": False, "None": "none", "NONE": "none",
}  # fmt: skip
"""Python spellings of values that TOML spells differently."""
BARE_POINT = re.compile(r"([+-]?)(\d[\d_]*)?\.(\d[\d_]*)?([eE][+-]?\d+)?")
"""A number with a leading or trailing point, which TOML does not accept."""
LONGEST_SHOWN = 60
SEVERAL_SEEDS = re.compile(r"\d{1,10}(?:(?:\s*,\s*|\s+)\d{1,10})+")
"""Seeds without brackets: `7,8`, `7, 8` or `7 8`."""


def parse_assignments(arguments: Iterable[str] | None) -> Table:
    """Settings from `key=value` words; values are TOML, bare words are text.

    Seeds need no brackets: `seeds=7,8` is `seeds=[7,8]`. Raises ProfileError for words that are no assignments and for
    a key with two values.
    """
    settings: Table = {}
    words = list(arguments or ())
    for word in words:
        key, sign, text = word.partition("=")
        match = KEY.fullmatch(key.strip())
        if not sign or not match:
            raise ProfileError(COMMAND_LINE, _short(word), _no_assignment(word, words))
        key, value = match.group(1), _value(text.strip(), match.group(1))
        if key in {"seed", "seeds"} and isinstance(value, str) and SEVERAL_SEEDS.fullmatch(value):
            value = [int(number) for number in re.findall(r"\d+", value)]
        if key in settings and not same(settings[key], value):
            raise ProfileError(COMMAND_LINE, key, twice(settings[key], value))
        settings[key] = value
    return settings


def twice(one: Any, other: Any) -> str:
    """The sentence for a key with two values."""
    return f"is given twice, as {shown(one)} and as {shown(other)}; leave one out"


def same(one: Any, other: Any) -> bool:
    """Whether two values have equal type and content: `1` and `true` differ, although Python calls them equal."""
    return type(one) is type(other) and bool(one == other) and repr(one) == repr(other)


def assignment(key: str, value: Any) -> str:
    """The word that `parse_assignments` reads back as this value."""
    return f"{key}={spelled(value)}"


def shown(value: Any) -> str:
    """A value for use in a sentence, shortened if it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return _short(repr(value))
    except (
        ValueError,
        RecursionError,
    ):  # a number of more digits than Python writes out, or a deep list
        return f"{'an' if isinstance(value, int) else 'a'} {type(value).__name__} beyond reason"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def _no_assignment(word: str, words: list[str]) -> str:
    dashed = re.fullmatch(r"--?([A-Za-z_][\w.]*)(=.*)?", word)
    if dashed:
        value = dashed.group(2) or "=…"
        return f"settings have no dashes: write {dashed.group(1)}{_short(value)}"
    seeds = [other for other in words if other.startswith(("seed=", "seeds="))]
    if seeds and re.fullmatch(r"[\d,]+", word):
        return "is not a setting; write several seeds without spaces, e.g. seeds=7,8"
    if any(other.startswith("=") for other in words) or word.endswith("="):
        return "is not a setting; write key=value without spaces, e.g. model.depth=4"
    return "is not a setting; write key=value, e.g. model.depth=4"


def _value(text: str, key: str) -> Any:
    """The value of a text; text that is not TOML is itself the value. Raises ProfileError."""
    try:
        return _meant(text)
    except RecursionError:
        raise ProfileError(COMMAND_LINE, key, "is nested too deeply") from None
    except ValueError as error:
        raise ProfileError(COMMAND_LINE, key, f"cannot be read: {error}") from None


def _meant(text: str) -> Any:
    if text in PYTHONIC:
        return PYTHONIC[text]
    if (point := BARE_POINT.fullmatch(text)) and (point.group(2) or point.group(3)):
        return float(text)
    if "\n" not in text and "\r" not in text:  # a second line would be another key
        try:
            # Parsed twice within brackets: a `#` comments out the first closing bracket, so `a/b#c` stays plain text.
            (value,) = parsed(f"v = [{text}]\nagain = [{text}\n]")["v"]
        except ValueError as error:
            if str(error) == TOO_LONG:
                raise
        else:
            return value
    if text.startswith("[") and text.endswith("]"):
        return [_meant(item) for item in _items(text[1:-1])]
    if text.startswith("{") and text.endswith("}"):
        pairs = [item.partition("=") for item in _items(text[1:-1])]
        if all(sign for _, sign, _ in pairs):
            return {key.strip(): _meant(value.strip()) for key, _, value in pairs}
    return text


def _items(text: str) -> list[str]:
    """The parts between commas outside brackets and quotes."""
    items, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "\"'":
            quote = "" if letter == quote else quote or letter
        depth += 0 if quote else (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quote:
            items.append("")
        else:
            items[-1] += letter
    return [item.strip() for item in items if item.strip()]


def spelled(value: Any) -> str:
    """A value in typed form."""
    if isinstance(value, str):
        return value if _stays(value) else _quoted(value)
    if isinstance(value, list | tuple) and all(_plain(item) for item in value):
        return "[" + ",".join(spelled(item) for item in value) + "]"
    return as_toml(value)


def _stays(text: str) -> bool:
    """Whether a text typed as it is means itself."""
    return text == text.strip() and same(_meant(text), text)


def _plain(item: Any) -> bool:
    """Whether an item of a list needs no quotes."""
    if isinstance(item, str):
        return PLAIN.fullmatch(item) is not None and _stays(item)
    return isinstance(item, bool | int | float)


def as_toml(value: Any) -> str:
    """A value as TOML on one line."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case list() | tuple():
            return "[" + ",".join(map(as_toml, value)) + "]"
        case Mapping():
            return "{" + ",".join(f"{_quoted_key(k)}={as_toml(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


def _quoted_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
