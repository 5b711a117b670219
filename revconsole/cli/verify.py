"""The verb `verify`: check a model before it trains."""

import itertools
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from revconsole.cli import complete, output, table
from revconsole.cli.arguments import Json
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab import verify as lab_verify
from revconsole.lab.verify import ModelToVerify, Row
from revconsole.records.printable import one_line, plural
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.study import UnfitChoice

MARKS = {"passed": "✓", "failed": "✗", "note": "!", "skipped": "–"}
COLOURS = {"passed": "green", "failed": "red", "note": "yellow", "skipped": None}
COLUMNS = ("model", "check", "result", "figure", "advice")
NAME_WIDTH = 27
NARROWEST = 40

Model = Annotated[
    str,
    typer.Argument(
        metavar="PROFILE",
        help="Name or path of a profile, or python:package.module:function for a model of your own: "
        "the function returns a torch.nn.Module and may ask for size, channels and classes by name.",
        autocompletion=complete.profiles,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings to change, as for `train`; of your own model, those of data, train, scheme and backward.",
        autocompletion=complete.settings,
    ),
]


def verify(
    context: typer.Context,
    model: Model,
    settings: Settings = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Run only the checks that every launch runs.")
    ] = False,
    json: Json = False,
    dataset: Annotated[
        str, typer.Option(help="Images for your own model.", show_default="digits")
    ] = "",
    size: Annotated[
        int | None, typer.Option(help="Pixels of a side of the images, for your own model.", min=1)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of random images, for your own model.", min=1)
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Classes of random images, for your own model.", min=1)
    ] = None,
) -> None:
    """Check a model on one batch of its own data: gradients, independence of samples, inverse, memory.

    The exit code is 1 if a check failed. Models of a profile that differ only in seed or schedule are checked once. A model
    that cannot be built does not keep the others from being checked.
    """
    shape = {"size": size, "channels": channels, "classes": classes}
    wanted = {name: value for name, value in shape.items() if value is not None}
    subjects = _subjects(context, model, settings or [], dataset, wanted)
    begun = time.monotonic()
    rows: list[Row] = []
    if not json and not sys.stdout.isatty():
        typer.echo("\t".join(COLUMNS))
    errors: list[RevconsoleError] = []
    for subject in subjects:
        for row in _rows(subject, errors, light=quick):
            rows.append(row)
            if not json:
                _show(row)
    if len(errors) == len(subjects):
        raise errors[0]
    if json:
        output.print_json(rows)
    _conclude(len(subjects), rows, time.monotonic() - begun)


def _rows(
    subject: ModelToVerify | UnfitChoice, errors: list[RevconsoleError], *, light: bool
) -> Iterator[Row]:
    """Yield the checks of one model; of one that cannot be built, yield a row with the reason and append the error to `errors`."""
    try:
        if isinstance(subject, UnfitChoice):
            raise subject.error
        output.say(_introduction(subject))
        yield from subject.rows(light=light)
    except RevconsoleError as error:
        errors.append(error)
        yield lab_verify.unsuitable(subject.name, error)


def _subjects(
    context: typer.Context, model: str, settings: list[str], dataset: str, shape: dict[str, int]
) -> Sequence[ModelToVerify | UnfitChoice]:
    assignments = parse_assignments(settings)
    if model.startswith(lab_verify.PREFIX):
        return lab_verify.of_own(model, assignments, dataset=dataset or None, shape=shape)
    if dataset or shape:
        raise ProfileError(
            "command line",
            "",
            "--dataset, --size, --channels and --classes are for a model of your own (python:…); "
            "a profile takes settings, for instance data.dataset=fashion_mnist",
        )
    return lab_verify.of_plans(opened(context).models(model, assignments))


def _introduction(subject: ModelToVerify) -> str:
    plan = subject.plan
    if subject.shape:
        sizes = "{size}×{size} pixels, {channels} channels, {classes} classes".format(
            **subject.shape
        )
        return f"{plan.name}: random images, {sizes}"
    if subject.own:
        return f"{plan.name}: on {plan.data.dataset}, {plan.image_size}×{plan.image_size} pixels"
    known = plan.objective.name == "classification"
    instead = "" if known else f"; checked as a classifier, without {plan.objective.name}"
    return f"{plan.name}: {plan.model.architecture}, {plan.scheme.name}, {plan.backward}, on {plan.data.dataset}{instead}"


def _show(row: Row) -> None:
    """Print one check as soon as it is known, with its advice below; tab-separated in a pipe."""
    cells = {column: one_line(str(row[column])) for column in COLUMNS}
    if not sys.stdout.isatty():
        typer.echo("\t".join(cells.values()))
        sys.stdout.flush()
        return
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    result = cells["result"]
    mark = typer.style(MARKS[result], fg=COLOURS[result], bold=result == "failed" or None)
    colour = False if os.environ.get("NO_COLOR") else None
    indent = " " * (NAME_WIDTH + 4)
    figure = table.wrapped(cells["figure"], width - len(indent))
    typer.echo(f"{mark} {cells['check']:{NAME_WIDTH}}  {figure[0]}", color=colour)
    for line in figure[1:]:
        typer.echo(f"{indent}{line}")
    advice = table.wrapped(cells["advice"], width - 6) if cells["advice"] else []
    for line, lead in zip(advice, itertools.chain("→", itertools.repeat(" ")), strict=False):
        typer.echo(typer.style(f"    {lead} {line}", fg=COLOURS[result]), color=colour)


def _conclude(models: int, rows: Sequence[Row], seconds: float) -> None:
    """Print how many checks passed and failed on stderr. Raises typer.Exit if one failed."""
    count = {word: sum(row["result"] == word for row in rows) for word in MARKS}
    parts = [f"{count['passed']} passed", f"{count['failed']} failed"]
    parts += [f"{count['note']} with a note"] if count["note"] else []
    parts += [f"{count['skipped']} not applicable"] if count["skipped"] else []
    some = plural(models, "model")
    output.say(f"{some}: {', '.join(parts)}; {seconds:.1f} s")
    if count["failed"]:
        raise typer.Exit(1)
