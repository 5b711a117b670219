"""The verb `sync`: give the metrics of runs to TensorBoard, Weights & Biases or MLflow."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.arguments import listed
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError
from revconsole.records.printable import plural
from revconsole.records.settings.words import COMMAND_LINE
from revconsole.records.tracker_names import TRACKERS

if TYPE_CHECKING:
    from revconsole.lab.trackers.syncing import Sync
    from revconsole.records.runs.run_reader import RunReader

SECONDS = 5.0
"""Seconds between two looks at a run that trains."""


def sync(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(help="Runs: ids, names or patterns.", autocompletion=complete.runs),
    ],
    to: Annotated[str, typer.Option(help=f"Trackers, comma-separated: {', '.join(TRACKERS)}.")],
    into: Annotated[
        str,
        typer.Option(
            help="TensorBoard: folder; wandb: project, or OWNER/PROJECT; mlflow: experiment. [default: tensorboard, revconsole, revconsole]",
            show_default=False,
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the runs have ended.")
    ] = False,
) -> None:
    """Give the metrics of runs to TensorBoard, Weights & Biases or MLflow.

    Settings, tags and the end go with them; what was given before is not sent again. Addresses and keys are those of the
    tools: `wandb login` or WANDB_MODE=offline, and MLFLOW_TRACKING_URI.
    """
    names = listed(to)
    if not names:
        raise ProfileError(COMMAND_LINE, "--to", f"is empty: give one of {', '.join(TRACKERS)}")
    from revconsole.lab.trackers.syncing import Sync  # reads records, which --help does not need
    from revconsole.lab.trackers.tracker import refuse_unknown

    refuse_unknown(names)
    lab = opened(context)
    going = []
    for run_id in lab.store.find_all(runs):
        tail = lab.store.follow(run_id)
        run = tail.run()
        syncs = [Sync(lab.store.root, run, name, into) for name in names]
        for name, each in zip(names, syncs, strict=True):
            output.say(f"{run.summary.name}: {name}, {each.where}")
        going.append((tail, syncs))
    while going:
        going = [(tail, syncs) for tail, syncs in going if not _sent(tail, syncs, follow=follow)]
        if going:
            time.sleep(SECONDS)


def _sent(tail: "RunReader", syncs: "Sequence[Sync]", *, follow: bool) -> bool:
    """Send what is new of a run; returns whether that was the last of it."""
    run = tail.run()
    last = run.summary.ended or not follow
    count = sum(each.push(run) for each in syncs)
    if count or last:
        output.say(f"{run.summary.name}: {plural(count, 'value')} sent")
    if last:
        for each in syncs:
            each.close(run)
    return last
