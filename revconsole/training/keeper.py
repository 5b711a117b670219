"""Keeper: when a checkpoint is made, which are kept, and which a run goes back to."""

from collections.abc import Callable

from revconsole.errors import RunFailed
from revconsole.records.events import Advised, Checkpointed, Event
from revconsole.training.budget import backwards, restore_backwards
from revconsole.training.checkpoint import Checkpoints, Damaged, Loaded
from revconsole.training.progress import Progress
from revconsole.training.setting import Setting

NEWEST_KEPT = 2
"""Besides the best: if the newest is damaged, the one before it still leads to the same result."""


class Keeper:
    """The checkpoints of one run, and the weights, optimiser and scaler that go into them."""

    def __init__(
        self, setting: Setting, checkpoints: Checkpoints, emit: Callable[[Event], None]
    ) -> None:
        self._setting, self._checkpoints, self._emit = setting, checkpoints, emit
        self._saved: tuple[int, int] | None = None

    def restore(self) -> tuple[Progress, list[Advised]]:
        """Go on from the newest whole checkpoint, or from the beginning; and what was damaged on the way.

        Raises RunFailed for a checkpoint of another model.
        """
        warnings = []
        for step in self._checkpoints.steps():
            try:
                loaded = self._checkpoints.load(step)
            except Damaged as damage:
                self._checkpoints.set_aside(step)
                warnings.append(_damaged(damage))
            else:
                return self._apply(loaded), warnings
        return Progress(), warnings

    def save(self, progress: Progress) -> None:
        """Make a checkpoint, unless the newest is of this very position. Raises StoreError."""
        position = (progress.step, progress.epoch)
        if position == self._saved:
            return
        setting, best = self._setting, progress.best
        path = self._checkpoints.save(
            progress.step,
            weights=setting.model.state_dict(),
            state={
                "optimizer": setting.optimizer.state_dict(),
                "scaler": setting.precision.scaler.state_dict(),
                "progress": progress.to_dict(),
                "backwards": backwards(setting),
            },
        )
        self._saved = position
        is_best = best is not None and best.step == progress.step
        file = str(path.relative_to(path.parent.parent))
        self._emit(Checkpointed(step=progress.step, epoch=progress.epoch, file=file, best=is_best))
        newest = self._checkpoints.steps()[:NEWEST_KEPT]
        self._checkpoints.keep_only([*newest, *([best.step] if best else [])])

    def end_epoch(self, progress: Progress) -> None:
        """Make the checkpoint that is due after an epoch: every so many, the best, and the last."""
        train, best = self._setting.plan.train, progress.best
        due = progress.epoch % train.checkpoint_epochs == 0 or progress.epoch == train.epochs
        if due or (best is not None and best.epoch == progress.epoch):
            self.save(progress)

    def go_to_best(self, progress: Progress) -> None:
        """Put the weights of the best epoch into the model; the last ones stay where none was scored."""
        best = progress.best
        if best is None or best.step == progress.step:
            return
        try:
            loaded = self._checkpoints.load(best.step)
        except Damaged as damage:
            self._emit(_damaged(damage))
            return
        self._setting.model.load_state_dict(loaded.weights)
        self._setting.reach(best.step)

    def _apply(self, loaded: Loaded) -> Progress:
        setting = self._setting
        try:
            setting.model.load_state_dict(loaded.weights)
            setting.optimizer.load_state_dict(loaded.state["optimizer"])
            if setting.precision.scaled:
                setting.precision.scaler.load_state_dict(loaded.state["scaler"])
            progress = Progress.from_dict(loaded.state["progress"])
            if setting.plan.backward == "auto":
                restore_backwards(setting, loaded.state["backwards"])
            setting.reach(max(progress.step, 1))
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunFailed(
                f"the checkpoint of step {loaded.step} does not fit the model this version builds "
                f"({reason}); resume with the versions the run began with, or launch a new run"
            ) from error
        self._saved = (progress.step, progress.epoch)
        return progress


def _damaged(damage: Damaged) -> Advised:
    return Advised(level="warning", text=f"a checkpoint is damaged and not used: {damage}")
