"""Arguments and options that several verbs take."""

from typing import Annotated

import typer

from revconsole.cli import complete

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Profile = Annotated[
    str,
    typer.Argument(
        help="Name or path of a profile (see `profiles`).", autocompletion=complete.profiles
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings to change, e.g. model.depth=4 train.epochs=5; a list makes a grid: "
        "scheme.name=[additive,bdia]. `settings` lists every key.",
        autocompletion=complete.settings,
    ),
]
Detach = Annotated[
    bool,
    typer.Option("--detach", help="Train in a process that outlives this terminal; print the ids."),
]


def listed(text: str) -> list[str]:
    """The words between the commas of a text."""
    return [word.strip() for word in text.split(",") if word.strip()]
