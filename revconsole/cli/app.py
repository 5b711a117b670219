"""The command line: `main` is the entry point; every verb is one function in a file of its group.

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
from revconsole.cli import (
    bench,
    data,
    launch,
    look,
    models,
    output,
    plan,
    report,
    shelves,
    steer,
    study,
    verify,
)
from revconsole.cli.dashes import refuse_dashes
from revconsole.errors import RevconsoleError, StoreError

EPILOG = "Start here: `revconsole demo` trains four small vision transformers side by side."

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of writing to a file, or a device, that takes no more."""

app = typer.Typer(
    name="revconsole",
    help="Train and compare vision transformers, above all reversible ones. "
    "Without a command, the console opens.",
    epilog=EPILOG,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
launch.register(app)
verify.register(app)
plan.register(app)
look.register(app)
steer.register(app)
bench.register(app)
models.register(app)
data.register(app)
shelves.register(app)
study.register(app)
report.register(app)


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
    except RevconsoleError as error:
        from revconsole.records.printable import one_line  # only when something went wrong

        output.say(f"revconsole: {one_line(str(error), 2000)}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`revconsole ls | head`): nothing is left to say.
        output.silence(sys.stdout)
        sys.exit(0)
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        with suppress(OSError):
            typer.echo(f"revconsole: the output cannot be written: {error.strerror}", err=True)
        output.silence(sys.stdout, sys.stderr)
        sys.exit(StoreError.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


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
    from revconsole.lab.lab import Lab  # pydantic: as above

    return run_console(Lab(store))
