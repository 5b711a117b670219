"""Verbs that list what can be named: profiles, settings."""

from collections.abc import Iterable
from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.errors import UnknownName
from revconsole.records.settings import glossary, search_path
from revconsole.records.settings.search_path import ExperimentFile


def profiles(json: Json = False) -> None:
    """List the profiles: those of the working folder first, then those that came with revconsole."""
    print_experiments(search_path.profiles(), json=json)


def print_experiments(entries: Iterable[ExperimentFile], *, json: bool) -> None:
    """Experiments, and whose each is."""
    rows = [
        {
            "name": entry.name,
            "from": "yours" if entry.own else "shipped",
            "title": entry.title,
            "file": str(entry.path),
        }
        for entry in entries
    ]
    output.print_entries(rows, ["name", "from", "title"], json=json, prose=["title"])


def settings(
    section: Annotated[str, typer.Argument(help="One section, e.g. model or scheme.")] = "",
    json: Json = False,
) -> None:
    """List every key that a profile or the command line can set, with default and meaning."""
    entries = [entry for entry in glossary.entries() if not section or entry["section"] == section]
    if not entries:
        raise UnknownName("section", section, {e["section"] for e in glossary.entries()})
    columns = ["key", "of", "default", "allowed", "meaning"]
    output.print_entries(entries, columns, json=json, prose=["meaning", "allowed"])
