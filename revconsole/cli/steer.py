"""Verbs that steer runs: stop, pause, hand-over."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from revconsole.cli import complete, output
from revconsole.errors import NoSuchRun
from revconsole.lab.lab import Lab

Addresses = Annotated[
    list[str],
    typer.Argument(
        help="Runs: ids, names, @1, patterns, or a profile for all its runs that are not over.",
        autocompletion=complete.runs,
    ),
]


def stop(
    context: typer.Context,
    runs: Addresses,
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="End their background processes at once; steps since the last checkpoint are lost.",
        ),
    ] = False,
) -> None:
    """Stop runs after the step they are in, with a checkpoint; or take them out of the queue."""
    _each(context, runs, lambda lab, run_id: lab.stop_now(run_id) if now else lab.stop(run_id))


def pause(context: typer.Context, runs: Addresses) -> None:
    """Hold runs between two steps; the same again lets them go on."""
    _each(context, runs, lambda lab, run_id: lab.pause(run_id))


def hand_over(context: typer.Context, runs: Addresses) -> None:
    """Move runs that train in a console or a terminal to background processes, which outlive both."""
    _each(context, runs, lambda lab, run_id: lab.hand_over(run_id))


def _each(context: typer.Context, runs: list[str], verb: Callable[[Lab, str], str]) -> None:
    lab = Lab(context.obj)
    for run_id in dict.fromkeys(run_id for run in runs for run_id in _not_over(lab, run)):
        output.say(f"{run_id} {verb(lab, run_id)}")


def _not_over(lab: Lab, address: str) -> Sequence[str]:
    """The runs that an address means; of several those that have not ended, the last in the queue first.

    Raises NoSuchRun if all of them have.
    """
    ids = lab.store.find_all([address])
    going = [run_id for run_id in reversed(ids) if not lab.summary(run_id).ended]
    if len(ids) > 1 and not going:
        raise NoSuchRun(f"all {len(ids)} runs that match {address!r} have ended")
    return going if len(ids) > 1 else ids
