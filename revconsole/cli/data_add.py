"""`data add`: what a folder of images is, and a profile that trains on it."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.errors import StoreError
from revconsole.records.printable import one_line

if TYPE_CHECKING:
    from revconsole.records.datasets.recognition import Recognised

NAMED = 6
LONGEST = 300


def add(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="A folder of images, tables or files of a known dataset."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="The new profile; else the folder's name with .toml, in the working folder."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Recognise a folder of images, say what is in it, and write a profile that trains on it.

    Folders of classes with or without parts, images with a file of labels, Tiny ImageNet, parquet files, what Hugging Face's
    datasets saved, and the files of the known datasets. Nothing is copied.
    """
    from revconsole.records.datasets.recognition import recognised  # Pillow: only here

    root = path.expanduser().absolute()
    found = recognised(root)
    profile = to or Path(
        f"{re.sub('[^a-z0-9]+', '-', root.name.casefold()).strip('-') or 'images'}.toml"
    )
    _write(profile, root, found)
    train = f"revconsole train {quote(str(profile))}"
    if found.data_folder:
        train = f"REVCONSOLE_DATA={quote(str(found.data_folder))} {train}"
    if json:
        output.print_json({**asdict(found), "profile": str(profile), "train": train})
    else:
        output.print_table(["fact", "value"], list(_rows(found, profile, train)), prose=["value"])


def _rows(found: "Recognised", profile: Path, train: str) -> Iterator[list[str]]:
    yield ["layout", one_line(found.layout, LONGEST)]
    yield ["classes", one_line(f"{len(found.classes)}: {_named(found)}", LONGEST)]
    trained, validated, tested = found.counts
    apart = f"{validated:,} to validate on, " if validated else ""
    yield ["images", f"{trained:,} to train on, {apart}{tested:,} to test on"]
    yield ["pixels", found.sizes]
    if found.odd:
        yield ["odd", one_line(found.odd, LONGEST)]
    yield ["profile", str(profile)]
    yield [
        "to see it",
        f"revconsole data show {quote(str(found.data.get('folder', found.data['dataset'])))}",
    ]
    yield ["to train on it", train]


def _named(found: "Recognised") -> str:
    counts = found.per_class or (0,) * len(found.classes)
    named = [
        f"{name} ({count:,})" if count else name
        for name, count in zip(found.classes[:NAMED], counts, strict=False)
    ]
    more = f" and {len(found.classes) - NAMED:,} more" if len(found.classes) > NAMED else ""
    return ", ".join(named) + more


def _write(profile: Path, root: Path, found: "Recognised") -> None:
    """Write a new profile. Raises StoreError if there is a file of that name, or none can be written."""
    import tomli_w  # only here

    table = {
        "title": one_line(f"images of {root.name}", LONGEST),
        "data": dict(found.data),
        "model": {"patch": found.patch},
    }
    try:
        with profile.open("x", encoding="utf-8") as file:
            file.write(tomli_w.dumps(table))
    except FileExistsError:
        raise StoreError(f"there is a file {profile} already; choose another with --to") from None
    except OSError as error:
        raise StoreError(
            f"{profile} cannot be written ({error.strerror}); choose another with --to"
        ) from error
