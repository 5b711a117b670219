"""Settings typed as options (`--epochs 4`, `--train.epochs=4`) are refused with a sentence that gives the right form."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from revconsole.cli.verbs import VERBS, verb
from revconsole.errors import ProfileError

DASHED = re.compile(r"--([A-Za-z_][\w.-]*)(=.*)?", re.DOTALL)


def refuse_dashes(app: typer.Typer, words: Sequence[str]) -> None:
    """Raise ProfileError for a setting written as an option to a verb that takes settings."""
    plain = words[: words.index("--")] if "--" in words else words
    if not any(map(DASHED.fullmatch, plain)):
        return
    options = _options(app, plain)
    for word, after in pairwise([*plain, "--"]):
        match = DASHED.fullmatch(word)
        if options and match and match.group(1) not in options and (key := _key(match.group(1))):
            value = match.group(2) or ("=…" if after.startswith("--") else f"={after}")
            sentence = f"settings have no dashes: write {key}{value}"
            raise ProfileError("command line", word, sentence)


def _options(app: typer.Typer, words: Sequence[str]) -> set[str]:
    """The options of the verb that is called, without dashes; empty if the verb takes no settings."""
    root = typer.main.get_command(app)
    named = next((word for word in words if word in VERBS), "")
    called: Any = verb(named) if named else root
    for word in words[words.index(named) + 1 :] if named else ():
        called = getattr(called, "commands", {}).get(word, called)
    if not any("KEY=VALUE" in (getattr(each, "metavar", "") or "") for each in called.params):
        return set()
    known = {option.lstrip("-") for each in (*root.params, *called.params) for option in each.opts}
    return known | {"help"}


def _key(name: str) -> str:
    """The dotted key of a setting name; empty if no section has the name, or several have it."""
    if "." in name:
        return name
    from revconsole.records.settings.layer import setting_named  # pydantic: not for --help

    return setting_named(name.replace("-", "_"))
