"""Verbs that list names: profiles, settings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.errors import UnknownName

if TYPE_CHECKING:
    from revconsole.records.settings.search_path import ExperimentFile


def profiles(json: Json = False) -> None:
    """List the profiles: those of the working folder first, then those shipped with revconsole."""
    from revconsole.records.settings import search_path  # the records: no `--help` waits for them

    print_experiments(search_path.profiles(), json=json)


def print_experiments(entries: "Iterable[ExperimentFile]", *, json: bool) -> None:
    """Print experiments, each with where it is from (yours or shipped)."""
    rows = [
        {
            "name": entry.name,
            "from": "yours" if entry.own else "shipped",
            "title": entry.title,
            "file": str(entry.path),
        }
        for entry in entries
    ]
    columns = {"name": "name", "from": "from", "title": "title"}
    output.print_entries(rows, columns, json=json, prose=["title"])


def settings(
    section: Annotated[str, typer.Argument(help="One section, e.g. model or scheme.")] = "",
    json: Json = False,
) -> None:
    """List every setting with default, allowed values and meaning."""
    from revconsole.records.settings import glossary  # as above

    entries = [entry for entry in glossary.entries() if not section or entry["section"] == section]
    if not entries:
        raise UnknownName("section", section, {e["section"] for e in glossary.entries()})
    columns = {
        "key": "key", "of": "kind", "default": "default", "allowed": "allowed", "meaning": "meaning",
    }  # fmt: skip
    output.print_entries(entries, columns, json=json, prose=["meaning", "allowed"])
