"""Verbs of the configuration: where it is, its values with their origin, editing, checking, a notice to try it."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.cli.opening import FLAGS, opened
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.records.config import places
from revconsole.records.config.config import Config, read_config
from revconsole.records.config.template import template
from revconsole.records.notices.messenger import sent
from revconsole.records.notices.notice import Notice, addressed
from revconsole.records.settings.words import spelled

GROUP = typer.Typer(
    help="The configuration of the console and of notices: where it is, what holds, edit it, check it.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@GROUP.command()
def path() -> None:
    """Print the path of your configuration file, whether it exists or not."""
    print(places.user_file())  # noqa: T201  data


@GROUP.command()
def show(context: typer.Context, json: Json = False) -> None:
    """List every key with its value and its origin: flag, environment, a file, or default."""
    config = read_config(context.meta.get(FLAGS, ()))
    rows = [
        {"key": key, "value": value if json else spelled(value), "origin": config.origins[key]}
        for key, value in _values(config).items()
    ]
    columns = {"key": "key", "value": "value", "origin": "origin"}
    output.print_entries(rows, columns, json=json, prose=["value", "origin"])
    for problem in config.problems:
        output.say(f"revconsole: {problem}")


@GROUP.command()
def validate(context: typer.Context) -> None:
    """Check the configuration, keys of the console included; the exit code is 2 if something is wrong."""
    problems = _problems(context)
    for problem in problems:
        output.say(f"revconsole: {problem}")
    if problems:
        raise typer.Exit(ProfileError.exit_code)
    output.say("the configuration is valid")


@GROUP.command()
def notify(context: typer.Context) -> None:
    """Send a notice to try it, to everything that `[notify]` names; the exit code is 1 if something fails."""
    config = read_config(context.meta.get(FLAGS, ()))
    if config["notify.bell"]:
        output.ring()
    if not addressed(config):
        raise ProfileError(
            "configuration",
            "notify",
            f"names nobody to tell; `revconsole config edit` opens {places.user_file()}",
        )
    body = Notice(
        id="22222222", name="trial", state="finished", reason="a trial of `config notify`"
    ).body()
    failures = 0
    for channel, why in sent(body.encode(), config):
        output.say(f"{channel}: {why or 'sent'}")
        failures += bool(why)
    if failures:
        raise typer.Exit(1)


@GROUP.command()
def edit(context: typer.Context) -> None:
    """Open your configuration file in $VISUAL or $EDITOR, and check it afterwards. A new file holds every key as a comment."""
    words = _editor()
    file = _created(places.user_file())
    try:
        done = subprocess.run([*words, str(file)], check=False)  # noqa: S603  the user's own choice
    except OSError as error:
        raise ProfileError(
            "environment", "EDITOR", f"{words[0]!r} cannot be started: {error.strerror}"
        ) from None
    if done.returncode:
        raise RevconsoleError(f"{shlex.join(words)} ended with exit code {done.returncode}")
    validate(context)


def _editor() -> list[str]:
    """The words that start the user's editor. Raises ProfileError if there is none, before anything is created."""
    given = {name: os.environ.get(name, "").strip() for name in ("VISUAL", "EDITOR")}
    name, editor = next(((n, text) for n, text in given.items() if text), ("EDITOR", ""))
    try:
        words = shlex.split(editor)
    except ValueError as error:
        raise ProfileError("environment", name, f"{editor!r} cannot be read: {error}") from None
    if not words or not words[0]:
        raise ProfileError(
            "environment", name, f"name an editor, or edit {places.user_file()} yourself"
        )
    if shutil.which(words[0]) is None:
        raise ProfileError("environment", name, f"there is no program {words[0]!r}")
    return words


def _values(config: Config) -> dict[str, Any]:
    return {**config.values, **{f"keymap.{name}": keys for name, keys in config.keymap.items()}}


def _problems(context: typer.Context) -> list[str]:
    config = read_config(context.meta.get(FLAGS, ()))
    problems = [*config.problems, *_unknown_columns(context, config)]
    if not config.keymap:
        return problems
    from revconsole.console.app import Console  # textual: only to check keys
    from revconsole.console.keymap import usable
    from revconsole.console.screens.help import bindings_by_screen

    return [*problems, *usable(config.keymap, bindings_by_screen(Console))[1]]


def _unknown_columns(context: typer.Context, config: Config) -> list[str]:
    """A sentence on each column that is neither a fact, a setting nor a metric of the runs here."""
    if not config["columns"]:
        return []
    from revconsole.lab.listing.fields import metrics_of, named  # the settings: only to check names

    problems, metrics = [], metrics_of(opened(context).store.list())
    for name in config["columns"]:
        try:
            named(name, metrics)
        except RevconsoleError as error:
            problems.append(f"{config.origins['columns']}: columns: {error}")
    return problems


def _created(file: Path) -> Path:
    """The file; if it does not exist, it is created with every key as a comment. Raises RevconsoleError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(template())
    except FileExistsError:
        pass
    except OSError as error:
        raise RevconsoleError(f"{file} cannot be created: {error.strerror}") from None
    return file
