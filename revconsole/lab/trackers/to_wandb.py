"""Weights & Biases: a run of a project, by its id; without an account, WANDB_MODE=offline keeps it on the disk."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import wandb

from revconsole.lab.trackers.tracker import SentPoint, settings
from revconsole.records.runs.run import Run

PROJECT = "revconsole"
STEP = "step"
"""The axis of all metrics: W&B's own drops what comes late, as the metric of an epoch that ended before."""


def begin(run: Run, place: str) -> "WandbRun":
    """The run in a project. place: the project's name, or OWNER/PROJECT; revconsole if empty."""
    owner, _, project = (place or PROJECT).rpartition("/")
    summary = run.summary
    kept = wandb.init(
        id=run.id, name=summary.name, project=project, entity=owner or None, config=settings(run),
        tags=list(summary.tags), notes=summary.note or None, resume="allow", save_code=False,
        settings=wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True
        ),
    )  # fmt: skip
    kept.define_metric(STEP, hidden=True)
    kept.define_metric("*", step_metric=STEP)
    return WandbRun(kept)


class WandbRun:
    """A run as W&B keeps it."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept
        self.where = str(kept.url or kept.dir)

    def send(self, points: Sequence[SentPoint]) -> None:
        """Log the values of each step together."""
        for step, group in groupby(points, key=lambda point: point.step):
            self._kept.log({STEP: step} | {point.metric: point.value for point in group})

    def close(self, run: Run) -> None:
        """Write the test accuracy into the summary and finish with the run's state."""
        if run.summary.test_accuracy is not None:
            self._kept.summary["test_accuracy"] = run.summary.test_accuracy
        self._kept.finish(exit_code=0 if run.summary.state == "finished" else 1)
