"""Template: a configuration file that holds every key as a comment."""

import textwrap
from collections.abc import Iterator

from revconsole.records.config.accepting import Option
from revconsole.records.config.config import VERSION
from revconsole.records.config.options import OPTIONS
from revconsole.records.settings.words import spelled

HEAD = f"""\
# Configuration of revconsole; `revconsole config show` says what holds, `config validate` checks it.
version = {VERSION}
"""
KEYMAP = """
[keymap]
# Other keys for what the console does, by the id that `?` and docs/keys.md name, as
# "runs.stop" = "ctrl+s"
"""


def template() -> str:
    """The text of the file."""
    return HEAD + "".join(_tables()) + KEYMAP


def _tables() -> Iterator[str]:
    table = ""
    for option in OPTIONS.values():
        section, _, name = option.key.rpartition(".")
        if section != table:
            table = section
            yield f"\n[{table}]\n"
        yield _entry(option, name)


def _entry(option: Option, name: str) -> str:
    meaning = textwrap.wrap(option.meaning, 100)
    lines = [*meaning, *textwrap.wrap(f"Allowed: {option.allowed}.", 100)]
    return "\n" + "".join(f"# {line}\n" for line in lines) + f"# {name} = {_toml(option.default)}\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return spelled(value)
