"""Verbs by name. The file of a verb is imported when it is called: neither `--help` nor another verb waits for it."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "train": ("launch", "Train what a profile describes, every run of its grid one after the other."),
    "demo": ("launch", "Train a ViT, a RevViT, a momentum ViT and a BDIA ViT on real digits, side by side (1 to 3 minutes)."),
    "resume": ("launch", "Go on with a run that was stopped, failed or lost, from its last checkpoint."),
    "verify": ("verify", "Check a model on one batch of its own data: does it see its images, all of it learn, its inverse hold?"),
    "plan": ("plan", "Count weights and operations of every model of a profile; trains nothing and needs no data files."),
    "ls": ("look:list_runs", "List the runs of the store, newest first. Piped, the table is tab-separated."),
    "show": ("look", "Show one run: settings, facts, measurements, log."),
    "compare": ("look", "Put runs beside each other: what differs in their settings, and what came of it."),
    "watch": ("look", "Follow runs to their ends, wherever they train; the exit code is 0 if all finished, none with an alarm."),
    "stop": ("steer", "Stop runs after the step they are in, with a checkpoint; or take them out of the queue."),
    "pause": ("steer", "Hold runs between two steps; the same again lets them go on."),
    "hand-over": ("steer", "Move runs that train in a console or a terminal to background processes, which outlive both."),
    "bench": ("bench", "Measure time and memory of schemes and backwards side by side on this device."),
    "models": ("models", "List architectures and schemes; with a pattern, timm's models by name (loads torch)."),
    "profiles": ("profiles", "List the profiles: those of the working folder first, then those that came with revconsole."),
    "settings": ("profiles", "List every key that a profile or the command line can set, with default and meaning."),
    "report": ("report", "Print what came of a study or of some runs, and write it as documents with figures."),
    "data": ("data:GROUP", "List the datasets, or the facts of one by its NAME; show samples, measure throughput."),
    "study": ("study:GROUP", "Repeat a whole sweep: several arms, each over the same seeds."),
}  # fmt: skip
"""The file of each verb, with its function or group where that is not called as the verb is; and the first paragraph of
its help."""


class DeferredVerbs(TyperGroup):
    """A group that knows what its verbs are called and do, and finds the rest of a verb once it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of the verb that is called, the verb, and its arguments."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else verb(name), rest


def register(app: typer.Typer) -> None:
    """Add all verbs by name alone."""
    for name, (_, about) in VERBS.items():
        app.command(name, help=about)(_deferred)


def verb(name: str) -> Any:
    """A verb with its arguments and options, as typer has it."""
    file, _, called = VERBS[name][0].partition(":")
    found = getattr(import_module(f"revconsole.cli.{file}"), called or name.replace("-", "_"))
    app = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)
    return typer.main.get_group(app).commands[name]


def _deferred() -> None:
    """Stands for a verb in the help of the group."""
