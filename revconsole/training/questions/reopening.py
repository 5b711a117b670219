"""Reopening: a run's data and model as at the end of its best epoch. Changes nothing of the run."""

from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import StoreError
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.checkpoints.policy import load_weights
from revconsole.training.learning.preparing import prepare
from revconsole.training.setup.build import drawn
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """The training state on the CPU in float32 with the weights of a step. best: whether its epoch is the best."""

    state: TrainingState
    epoch: int
    step: int
    best: bool


def reopen(plan: Plan, checkpoints: CheckpointStore, *, data: Path) -> Reopened:
    """The state at the best epoch's checkpoint, or at the newest if that is missing.

    data: folder of the datasets. Raises StoreError if no checkpoint is left or fits, RunFailed if the data differs,
    and as `prepare` does.
    """
    loaded = checkpoints.best()
    progress = Progress.from_dict(loaded.state["progress"])
    on_cpu = plan.train.model_copy(update={"device": "cpu", "precision": "float32"})
    state = prepare(drawn(plan).model_copy(update={"train": on_cpu}), data=data)
    try:
        load_weights(state, loaded)
    except (RuntimeError, KeyError) as error:
        raise StoreError(
            f"the checkpoint of step {loaded.step} does not fit the model this version builds"
        ) from error
    state.set_scheme_progress(max(loaded.step, 1))
    return Reopened(
        state=state,
        epoch=progress.epoch,
        step=loaded.step,
        best=progress.best is None or progress.best.step == loaded.step,
    )
