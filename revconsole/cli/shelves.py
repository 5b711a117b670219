"""Verbs that list what can be named: profiles, data, settings."""

from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.errors import UnknownName

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(profiles)
    app.command()(data)
    app.command()(settings)


def profiles(json: Json = False) -> None:
    """List the profiles: those of the working folder first, then those that came with revconsole."""
    from revconsole.records import shelf  # pydantic: not for --help

    entries = [{"name": e.name, "title": e.title, "file": str(e.path)} for e in shelf.shelved()]
    output.print_entries(entries, ["name", "title"], json=json)


def data(
    name: Annotated[str, typer.Argument(help="One dataset, with all its facts.")] = "",
    json: Json = False,
) -> None:
    """List the datasets, and where they lie or how to get them."""
    from revconsole.records import catalogue, facts  # not for --help

    folder = facts.data_folder()
    chosen = {name: catalogue.dataset(name)} if name else catalogue.datasets()
    entries = []
    for key, known in chosen.items():
        place = facts.present(known, folder)
        entry = {
            "name": key,
            "what": known.title,
            "classes": known.classes,
            "images": f"{known.train_images:,} + {known.test_images:,}",
            "size": f"{known.size}×{known.size}×{known.channels}",
            "present": "yes" if place else "no",
        }
        if name or json:
            entry |= {"place": str(place or ""), "source": known.source, "licence": known.licence}
            entry["to get it"] = (
                "" if place or not known.layouts else facts.how_to_get(known, folder)
            )
        entries.append(entry)
    if name and not json:
        output.print_entries(
            [{"fact": k, "value": str(v)} for k, v in entries[0].items()],
            ["fact", "value"],
            json=False,
        )
    else:
        output.print_entries(entries, list(entries[0])[:6], json=json)


def settings(
    section: Annotated[str, typer.Argument(help="One section, e.g. model or scheme.")] = "",
    json: Json = False,
) -> None:
    """List every key that a profile or the command line can set, with default and meaning."""
    from revconsole.records import glossary  # pydantic: not for --help

    entries = [entry for entry in glossary.entries() if not section or entry["section"] == section]
    if not entries:
        raise UnknownName("section", section, {e["section"] for e in glossary.entries()})
    output.print_entries(entries, ["key", "of", "default", "allowed", "meaning"], json=json)
