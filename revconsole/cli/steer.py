"""Verbs that control runs: stop, pause, hand-over."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.opening import opened
from revconsole.errors import NoSuchRun

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab

Addresses = Annotated[
    list[str],
    typer.Argument(
        help="Runs: ids, names, @1, patterns, or a profile for all its runs that have not ended.",
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
            help="Kill their background processes; steps since the last checkpoint are lost.",
        ),
    ] = False,
) -> None:
    """Stop runs after their current step with a checkpoint, or take them out of the queue."""
    _each(context, runs, lambda lab, run_id: lab.stop_now(run_id) if now else lab.stop(run_id))


def pause(context: typer.Context, runs: Addresses) -> None:
    """Pause runs after their current step; `pause` again continues them."""
    _each(context, runs, lambda lab, run_id: lab.pause(run_id))


def hand_over(context: typer.Context, runs: Addresses) -> None:
    """Move runs that train in a console or terminal to background processes that outlive it."""
    _each(context, runs, lambda lab, run_id: lab.hand_over(run_id))


def _each(context: typer.Context, runs: list[str], verb: "Callable[[Lab, str], str]") -> None:
    lab = opened(context)
    for run_id in dict.fromkeys(run_id for run in runs for run_id in _not_over(lab, run)):
        output.say(f"{run_id} {verb(lab, run_id)}")


def _not_over(lab: "Lab", address: str) -> Sequence[str]:
    """The runs that an address means; of several, those not ended, the last of the queue first. Raises NoSuchRun if all have."""
    ids = lab.store.find_all([address])
    going = [run_id for run_id in reversed(ids) if not lab.summary(run_id).ended]
    if len(ids) > 1 and not going:
        raise NoSuchRun(f"all {len(ids)} runs that match {address!r} have ended")
    return going if len(ids) > 1 else ids
