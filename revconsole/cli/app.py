"""The command line: `main` is the entry point; every verb is one function in a file of its group, found by its name in `verbs`.

Data goes to stdout, narration to stderr. Exit codes: 0 done; 1 a run failed, or ended in an alarm; 2 a wrong setting or argument;
3 no such run; 4 data, device or disk unavailable; 130 interrupted.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from revconsole import __version__
from revconsole.cli import verbs
from revconsole.cli.dashes import refuse_dashes
from revconsole.errors import RevconsoleError, StoreError
from revconsole.records.printable import one_line

EPILOG = "Start here: `revconsole demo` trains four small vision transformers side by side."

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of writing to a file, or a device, that takes no more."""

app = typer.Typer(
    name="revconsole",
    cls=verbs.DeferredVerbs,
    help="Train and compare vision transformers, above all reversible ones. "
    "Without a command, the console opens.",
    epilog=EPILOG,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
verbs.register(app)


@app.callback()
def root(
    context: typer.Context,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder of the runs.", envvar="REVCONSOLE_STORE", show_default="./runs"),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Settings of every command; without a command, the console."""
    context.obj = store or Path("runs")
    if version:
        typer.echo(f"revconsole {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(_console(context.obj))


def main() -> None:
    """Run the command line; turn expected errors into one sentence and an exit code."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is printed as ?
            stream.reconfigure(errors="replace")
    try:
        try:
            refuse_dashes(app, sys.argv[1:])
            app()
        finally:
            sys.stdout.flush()  # or the interpreter would, too late to say what is wrong
    except (RevconsoleError, OSError, KeyboardInterrupt) as error:
        sys.exit(_ended_by(error))


def open_streams() -> None:
    """Give a command that was started without standard streams (`>&-`) ones that lead nowhere.

    Else the next file that is opened, a log for instance, would be where a library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115  for as long as we run


def _console(store: Path) -> int:
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise RevconsoleError(
            "the console needs a terminal; without one use `revconsole train`, `ls`, `show`, `compare`"
        )
    from revconsole.console.app import run_console  # textual: only when the console opens
    from revconsole.lab.lab import Lab

    return run_console(Lab(store))


def _ended_by(error: RevconsoleError | OSError | KeyboardInterrupt) -> int:
    """The exit code, once what went wrong is said."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    from revconsole.cli import output  # pydantic: only when something went wrong

    if isinstance(error, RevconsoleError):
        output.say(f"revconsole: {one_line(str(error), 2000)}")
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output went away (`revconsole ls | head`): nothing is left to say.
        output.silence(sys.stdout)
        return 0
    if error.errno not in NO_ROOM or error.filename is not None:
        raise error
    with suppress(OSError):
        typer.echo(f"revconsole: the output cannot be written: {error.strerror}", err=True)
    output.silence(sys.stdout, sys.stderr)
    return StoreError.exit_code
