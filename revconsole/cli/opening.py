"""Opening the store for a verb, read-only where the configuration says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revconsole.cli import output
from revconsole.records.config.config import read_config

if TYPE_CHECKING:
    import typer

    from revconsole.lab.lab import Lab

FLAGS = "revconsole.set"
"""Key under which the words of `--set` are in the context."""


def opened(context: typer.Context) -> Lab:
    """The lab of the store that was named; it refuses changes under `readonly`, and where that value is wrong.

    What has become of runs in jobs of Slurm is found out first, if there are any.
    """
    from revconsole.lab.opened import opened_lab  # the records: only when a store is opened

    config = read_config(context.meta.get(FLAGS, ()))
    for problem in config.problems:
        if ": readonly: " in problem:
            output.say(f"revconsole: {problem}; until then read-only")
    lab = opened_lab(context.obj, config, console=False)
    lab.jobs.look()
    return lab
