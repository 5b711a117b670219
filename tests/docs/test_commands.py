"""The commands in README and docs are commands: verbs, options and settings that there are."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from revconsole.lab.listing.where import filter_of
from revconsole.records.config.options import OPTIONS
from revconsole.records.settings import glossary

ROOT = Path(__file__).parents[2]
LINE = runpy.run_path(str(ROOT / "docs" / "pages.py"))["command_line"]()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
KEYS = {entry["key"] for entry in glossary.entries()} | {"seeds", "seed", "key"}
WORDS = {"VERB", "RUN", "STUDY"}
"""Placeholders."""


def commands(text: str) -> list[list[str]]:
    """The words after `revconsole` in every line of a shell, and in every piece of code."""
    shells = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for shell in shells for line in shell.replace("\\\n", "").splitlines()]
    lines += re.findall(
        r"`(revconsole [^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in found if words[:1] == ["revconsole"] and len(words) > 1]


def wrong(words: list[str]) -> list[str]:
    """The words of a command that mean nothing."""
    command = LINE
    if words[0] == "--set":
        if words[1].partition("=")[0] not in OPTIONS:
            return words[:2]
        words = words[2:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    words = words[: words.index("--")] if "--" in words else words
    options = {name for each in command.params for name in each.opts + each.secondary_opts}
    inner = getattr(command, "commands", None)
    if "--where" in words:
        place = words.index("--where")
        filter_of(words[place + 1])  # raises BadFilter
        words = [*words[:place], *words[place + 2 :]]
    return [
        word
        for place, word in enumerate(words)
        if (word.startswith("--") and word not in options | {"--help"})
        or ("=" in word and not word.startswith("-") and not known(word.partition("=")[0]))
        or (place == 0 and inner and not word.startswith("-") and word not in WORDS)
    ]


def known(key: str) -> bool:
    """Whether a setting is one, whole or by its last word."""
    return key in KEYS or any(each.endswith(f".{key}") for each in KEYS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_is_one(page):
    found = commands(page.read_text(encoding="utf-8"))

    assert {" ".join(words): bad for words in found if (bad := wrong(words))} == {}


def test_there_are_commands_and_a_wrong_one_is_noticed():
    assert len(commands((ROOT / "README.md").read_text(encoding="utf-8"))) > 7
    assert wrong(["tran", "demo"]) == ["tran"]
    assert wrong(["train", "demo", "--detatch"]) == ["--detatch"]
    assert wrong(["train", "demo", "model.depht=4"]) == ["model.depht=4"]
    assert wrong(["study", "run", "demo", "dropout=0.1", "--detach"]) == []
