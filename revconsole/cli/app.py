"""The command line: `main` is the entry point; every verb is one function in a file of its group.

Data goes to stdout, narration to stderr. Exit codes: 0 done; 1 a run failed; 2 a wrong setting or argument;
3 no such run; 4 data, device or disk unavailable; 130 interrupted.
"""

import io
import os
import sys
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
from revconsole.errors import RevconsoleError

EPILOG = "Start here: `revconsole demo` trains four small vision transformers side by side."

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is printed as ?
            stream.reconfigure(errors="replace")
    try:
        app()
    except RevconsoleError as error:
        from revconsole.records.printable import one_line  # only when something went wrong

        output.say(f"revconsole: {one_line(str(error), 2000)}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away (`revconsole ls | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _console(store: Path) -> int:
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise RevconsoleError(
            "the console needs a terminal; without one use `revconsole train`, `ls`, `show`, `compare`"
        )
    from revconsole.console.app import run_console  # textual: only when the console opens
    from revconsole.lab.lab import Lab  # pydantic: as above

    return run_console(Lab(store))
