"""Arguments and options that several verbs take."""

from collections.abc import Sequence
from typing import Annotated, Any

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
        help="Settings to change, e.g. model.depth=4 train.epochs=5; a list makes a grid of runs: "
        "scheme.name=[additive,bdia]. `settings` lists every key.",
        autocompletion=complete.settings,
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach",
        "-d",
        help="Train in a background process that outlives this terminal; print the ids.",
    ),
]
Now = Annotated[
    bool,
    typer.Option(
        "--now",
        help="Begin at once, beside the runs that train on the device, instead of waiting for its turn.",
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="PLACE",
        help="Train in jobs of Slurm: `slurm`, or `slurm:NAME` for [place.slurm.NAME] of your configuration.",
        autocompletion=complete.slurm_places,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="With --on: submit without a question.")]


def listed(text: str) -> list[str]:
    """The words of a comma-separated text."""
    return [word.strip() for word in text.split(",") if word.strip()]


def assigned(words: Sequence[str] | None) -> dict[str, Any]:
    """Settings from `KEY=VALUE` words; see `parse_assignments`."""
    from revconsole.records.settings.profile import parse_assignments  # no `--help` waits for it

    return parse_assignments(words)
