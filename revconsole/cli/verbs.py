"""Verbs by name. The file of a verb is imported when the verb is called, so neither `--help` nor another verb waits for it."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "train": ("launch", "Train every run of a profile, one after the other."),
    "demo": ("launch", "Train a ViT, a RevViT, a momentum ViT and a BDIA ViT on real digits, side by side (1 to 3 minutes)."),
    "run": ("run", "Run any command and record it: its output, its end, memory, and metrics in lines like `step 3 loss=0.5`. Its exit status is returned."),
    "resume": ("launch", "Continue a run that was stopped, failed or lost, from its last checkpoint."),
    "verify": ("verify", "Check a model on one batch of its own data: gradients, independence of samples, inverse, memory."),
    "plan": ("plan", "Say what the runs of a profile would cost: parameters, multiply-adds, and memory with each backward."),
    "fit": ("fit", "Find the largest micro-batch that fits: foreseen, then tried with real steps in a process of its own."),
    "ls": ("look:list_runs", "List the runs of the store, newest first. Piped, the table is tab-separated."),
    "show": ("look", "Show one run: settings, facts, measurements, log."),
    "note": ("keep", "Give runs a name, tags or a note, or print what they have. Ids, settings and logs stay as they are."),
    "archive": ("keep", "Leave runs out of lists, in the console too; `ls --where archived=true` lists them."),
    "rm": ("keep", "Delete runs that have ended. They are kept in the store's trash until `rm --purge`; `rm --undo ID` puts them back."),
    "compare": ("look", "Compare runs: the settings that differ, and the results."),
    "sync": ("sync", "Give the metrics of runs to TensorBoard, Weights & Biases or MLflow."),
    "watch": ("watch", "Follow runs until they end, wherever they train; the exit code is 0 if all finished without an alarm."),
    "queue": ("queue", "List what trains and what waits on each device, in order, with the time that is left, or move runs in their queue."),
    "stop": ("steer", "Stop runs after their current step with a checkpoint, or take them out of the queue."),
    "pause": ("steer", "Pause runs after their current step; `pause` again continues them."),
    "hand-over": ("steer", "Move runs that train in a console or terminal to background processes that outlive it."),
    "system": ("system", "Show processors, memory, disk and cards of this machine, and which runs and other jobs use them."),
    "serve": ("serve", "Show the console in a browser of this machine, for whoever has the printed address with its token."),
    "bench": ("bench", "Measure time and memory of schemes and backwards side by side on this device."),
    "models": ("models", "List architectures and schemes; with a pattern, timm's models by name (loads torch)."),
    "profiles": ("profiles", "List the profiles: those of the working folder first, then those shipped with revconsole."),
    "settings": ("profiles", "List every setting with default, allowed values and meaning."),
    "config": ("config:GROUP", "The configuration of the console and of notices: where it is, what holds, edit it, check it."),
    "export": ("export", "Write the network of a run's best epoch into a folder for others: timm, transformers, torch alone, ONNX runtimes."),
    "predict": ("predict", "Say what the network of a run's best epoch calls images, with probabilities; accuracy where the classes are known."),
    "weights": ("weights:GROUP", "Look into a file of weights: what it holds, which model it fits, what would be renewed."),
    "report": ("report", "Print the results of a study or of some runs, and write them as documents with figures."),
    "data": ("data:GROUP", "List the datasets, or the facts of one by its NAME; recognise a folder, show samples, measure throughput."),
    "study": ("study:GROUP", "Repeat a whole sweep: several arms, each over the same seeds."),
}  # fmt: skip
"""Verb → the file, with `:name` where function or group have another name than the verb, and the first paragraph of its help."""


class DeferredVerbs(TyperGroup):
    """A group that knows the names and descriptions of its verbs and imports a verb when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name of the called verb, the imported verb, and its arguments."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else verb(name), rest


def register(app: typer.Typer) -> None:
    """Add every verb with name and description only."""
    for name, (_, about) in VERBS.items():
        app.command(name, help=about)(_deferred)


def verb(name: str) -> Any:
    """Import a verb and return it as a Click command with arguments and options."""
    file, _, called = VERBS[name][0].partition(":")
    function = getattr(import_module(f"revconsole.cli.{file}"), called or name.replace("-", "_"))
    app = typer.Typer(rich_markup_mode=None)
    if isinstance(function, typer.Typer):
        app.add_typer(function, name=name)
    else:
        app.command(name)(function)
    return typer.main.get_group(app).commands[name]


def _deferred() -> None:
    """Placeholder for a verb in the help of the group."""
