"""The verb `run`: any command as a run."""

from pathlib import Path
from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.opening import opened
from revconsole.errors import RevconsoleError

ARROW = "revconsole run -- python train.py --lr 0.1"


class NotStarted(RevconsoleError):  # noqa: N818  the name says what happened
    """There is no command, or it cannot be started."""

    exit_code = 2


def run(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="The command, after `--`.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the run; by default that of the script.")] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=REGEX",
            help="Pick a further metric from its lines: a regular expression with one group, the number.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the newest run of that name, if there is one."),
    ] = False,
) -> None:
    """Run any command and record it: its output, its end, memory, and metrics in lines like `step 3 loss=0.5`. Its exit status is returned.

    A pair NAME=NUMBER or NAME: NUMBER is a metric where the line has a loss, an accuracy, a step or an epoch; settings are what
    the command line has as `--lr 0.1` or `lr=0.1`. The console's stop sends SIGINT, then SIGTERM, then SIGKILL; its pause suspends it.
    """
    from revconsole.recording.claimed import WantedRecord  # the records: only here
    from revconsole.recording.printed_metrics import PrintedMetrics
    from revconsole.recording.started_command import PROGRAM, StartedCommand, name_of, settings_of

    opened(context).refuse_changes()
    if not command:
        raise NotStarted(f"there is no command: `{ARROW}`")
    metrics = PrintedMetrics(dict(_pair(each) for each in metric or ()))
    wanted = WantedRecord(
        name=name.strip() or name_of(command),
        settings=settings_of(command[1:]),
        program=PROGRAM,
        store=Path(context.obj).absolute(),
        resume=resume,
    )
    try:
        started = StartedCommand.start(command, wanted, metrics, named=bool(name.strip()))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        python = f"; `revconsole run -- python {command[0]}`" if command[0].endswith(".py") else ""
        raise NotStarted(f"{command[0]!r} cannot be started: {why}{python}") from None
    if started.writer.run is not None:
        output.say(f"run {started.writer.run.id} ({wanted.name})")
    raise typer.Exit(started.follow())


def _pair(text: str) -> tuple[str, str]:
    name, sign, pattern = text.partition("=")
    if not (sign and name.strip() and pattern):
        raise NotStarted(f"--metric {text}: write NAME=REGEX, as in 'top5=top-5 ([0-9.]+)'")
    return name.strip(), pattern
