"""The command line. `main` is the entry point; each verb is a function in the file of its group, which `verbs` finds by name.

Results go to stdout, messages to stderr. Exit codes: 0 done; 1 a run failed or finished with an alarm; 2 a wrong setting or
argument; 3 no such run, or a plan that does not fit into the given memory; 4 data, device or disk unavailable, or a plan
whose memory is unknown; 130 interrupted.
"""

import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from revconsole import __version__
from revconsole.cli import encoding, verbs
from revconsole.cli.dashes import refuse_dashes
from revconsole.errors import ProfileError, RevconsoleError, StoreError
from revconsole.records.printable import one_line

EPILOG = "Start here: `revconsole demo` trains four small vision transformers side by side."

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Error numbers of a write to a file or device that takes no more bytes."""

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
    set: Annotated[  # noqa: A002  the word of the option
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Configuration for this call; see `config show`."),
    ] = None,
    readonly: Annotated[
        bool, typer.Option("--readonly", help="Refuse to start, change and delete runs.")
    ] = False,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Look at recorded runs that ship with revconsole; nothing is trained."
        ),
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER",
            help="List the runs in this folder too, of other tools or another store, and only read them; ssh://HOST/FOLDER for "
            "another machine.",
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that come before every verb; without a verb, open the console."""
    context.obj = store or Path("runs")
    flags = [*(set or ()), *(["readonly=true"] if readonly or demo else [])]
    flags += [f"also={json.dumps(also)}"] if also else []
    context.meta["revconsole.set"] = flags
    _hand_down(context, set or ())
    if version:
        typer.echo(f"revconsole {__version__}")
        raise typer.Exit
    if demo:
        _use_recorded_runs(context)
    if context.invoked_subcommand is None:
        raise typer.Exit(_console(context, flags))


def main() -> None:
    """Run the command line; turn expected errors into one sentence and an exit code."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        encoding.settle(stream)
    try:
        try:
            refuse_dashes(app, sys.argv[1:])
            app()
        finally:
            sys.stdout.flush()  # or the interpreter would, too late to say what is wrong
    except (RevconsoleError, OSError, KeyboardInterrupt) as error:
        sys.exit(ended_by(error))


def open_streams() -> None:
    """Open /dev/null for each standard stream that is closed (`>&-`).

    Otherwise the next file that is opened, for instance a log, gets the number of a standard stream, and libraries print into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115  for as long as we run


def _hand_down(context: typer.Context, words: Sequence[str]) -> None:
    """Let the values of `--set` hold for the trainings that the call starts, too. Raises ProfileError for a wrong one."""
    if not words:
        return
    from revconsole.records.config.config import from_flags  # only if something is set
    from revconsole.records.config.options import OPTIONS
    from revconsole.records.settings.words import COMMAND_LINE

    if problems := from_flags(words).problems:
        raise ProfileError(COMMAND_LINE, "--set", "; ".join(problems))
    given = {
        OPTIONS[key.strip()].variable: value
        for key, _, value in (word.partition("=") for word in words)
    }
    before = {name: os.environ.get(name) for name in given}
    context.call_on_close(lambda: _put_back(before))
    os.environ.update(given)


def _put_back(variables: Mapping[str, str | None]) -> None:
    """Give environment variables the values that they had."""
    for name, value in variables.items():
        os.environ.pop(name, None)
        os.environ |= {} if value is None else {name: value}


def _use_recorded_runs(context: typer.Context) -> None:
    """Let the call see the recorded runs, in a store that is gone when it ends. Raises ProfileError beside `--store`."""
    from revconsole.lab.recorded import recorded_store  # the records: only for the demo
    from revconsole.records.settings.words import COMMAND_LINE

    source = context.get_parameter_source("store")
    if source is not None and source.name == "COMMANDLINE":
        raise ProfileError(COMMAND_LINE, "--demo", "has its own runs: leave --store out")
    context.obj = context.with_resource(recorded_store())


def _console(context: typer.Context, flags: Sequence[str]) -> int:
    in_browser = bool(os.environ.get("TEXTUAL_DRIVER"))  # its server speaks with it through pipes
    if not in_browser and not (sys.stdout.isatty() and sys.stdin.isatty()):
        return _one_frame(context)
    from revconsole.console.session import run_console  # textual: only when the console opens
    from revconsole.records.config.config import read_config

    demo = bool(context.params["demo"])
    return run_console(context.obj, config=read_config(flags), demo=demo)


def _one_frame(context: typer.Context) -> int:
    """Print the runs once, as `ls` does, because there is no terminal for the console."""
    from revconsole.cli import output
    from revconsole.cli.look import list_runs

    list_runs(context)
    output.say("the console needs a terminal; these are the runs, as `revconsole ls` lists them")
    return 0


def ended_by(error: RevconsoleError | OSError | KeyboardInterrupt) -> int:
    """Print what went wrong as one sentence; returns the exit code."""
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
    if error.errno == errno.ENAMETOOLONG:
        output.say(
            f"revconsole: {one_line(str(error.filename), 60)}: the name is too long for a file"
        )
        return 2
    if error.errno not in NO_ROOM or error.filename is not None:
        raise error
    with suppress(OSError):
        typer.echo(f"revconsole: the output cannot be written: {error.strerror}", err=True)
    output.silence(sys.stdout, sys.stderr)
    return StoreError.exit_code
