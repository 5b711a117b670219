"""CheckpointPolicy: when a checkpoint is written, which are kept, and which a run returns to."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import torch
from torch import Tensor

from revconsole.errors import RunFailed
from revconsole.records.logs.events import Advised, Checkpointed, Event, Scalar
from revconsole.training.checkpoints.checkpoint import (
    CheckpointStore,
    DamagedCheckpoint,
    Loaded,
    NotSaved,
    State,
)
from revconsole.training.machine import devices
from revconsole.training.memory.budget import backwards, restore_backwards
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.progress import Progress

MINUTE = 60.0
INSTEAD = "; those of the last step are tested instead"
"""End of a warning that reports look for; see `lab.report.notes`."""


class CheckpointPolicy:
    """Writes and restores the checkpoints of one run: weights, optimiser, scaler and progress."""

    def __init__(
        self, state: TrainingState, checkpoints: CheckpointStore, emit: Callable[[Event], None]
    ) -> None:
        self._state, self._checkpoints, self._emit = state, checkpoints, emit
        self._saved: tuple[int, int] | None = None
        self._last_weights = ""
        self._restart(0)

    def restore(self) -> tuple[Progress, list[Advised]]:
        """Continue from the newest intact checkpoint, or from the start. Returns warnings about damaged ones.

        Raises RunFailed for a checkpoint of another model.
        """
        together = self._state.together
        loaded, warnings = self._newest_intact() if together.first else (None, [])
        step = together.told(None if loaded is None else loaded.step)
        if step is None:
            return Progress(), warnings
        loaded = loaded or self._checkpoints.load(step)
        progress = self._apply(loaded)
        return progress, [*warnings, *self._surroundings(loaded)]

    def _newest_intact(self) -> tuple[Loaded | None, list[Advised]]:
        """The newest intact checkpoint, if there is any, and warnings about those set aside."""
        warnings: list[Advised] = []
        for step in self._checkpoints.steps():
            try:
                return self._checkpoints.load(step), warnings
            except DamagedCheckpoint as damage:
                self._checkpoints.set_aside(step)
                warnings.append(_damaged(damage))
        return None, warnings

    def due(self, step: int) -> bool:
        """Whether a checkpoint within the epoch is due after this step, by steps or time since the last one."""
        train = self._state.plan.train
        steps, minutes = train.checkpoint_steps, train.checkpoint_minutes
        return (
            (steps is not None and step - self._since >= steps)
            or (minutes is not None and self._passed(minutes))
            # After a shrink, so that lost steps are recomputed with the same micro-batches.
            or self._state.micro_batch != self._micro_batch
        )

    def _passed(self, minutes: float) -> bool:
        """Whether so many minutes have passed since the last checkpoint, by the first rank's clock."""
        return self._state.together.told(time.monotonic() - self._began >= minutes * MINUTE)

    def save_if_possible(self, progress: Progress) -> None:
        """Write a checkpoint; if that fails, emit a warning and let the run go on until the next one."""
        try:
            self.save(progress)
        except NotSaved as failure:
            text = f"the checkpoint of step {progress.step} was not written: {failure.why}; training goes on and tries again "
            self._emit(_warning(f"{text}when the next is due"))

    def save(self, progress: Progress) -> None:
        """Write a checkpoint unless the newest has this position already. Raises NotSaved, on every rank."""
        position = (progress.step, progress.epoch)
        self._restart(progress.step)
        if position == self._saved:
            return
        failure: NotSaved | None = None
        state = self._state
        weights = state.holding.weights(state.model)
        optimizer = state.holding.optimizer_state(state.optimizer)
        if state.together.first:
            try:
                self._write(progress, weights, optimizer)
            except NotSaved as error:
                failure = error
        why = self._state.together.told("" if failure is None else failure.why)
        if why:
            raise failure or NotSaved(progress.step, self._checkpoints.folder, why)
        self._saved = position

    def _write(self, progress: Progress, weights: dict[str, Tensor], optimizer: State) -> None:
        """Write a checkpoint, and remove those that are no longer kept. Raises NotSaved."""
        state, best = self._state, progress.best
        path = self._checkpoints.save(
            progress.step,
            weights=weights,
            state={
                "optimizer": optimizer,
                "scaler": state.precision.scaler.state_dict(),
                "progress": progress.to_dict(),
                "backwards": backwards(state),
                "micro_batch": state.micro_batch,
                "average": None if state.average is None else state.average.state_dict(),
                "surroundings": devices.surroundings(state.device),
                "plan": state.plan.past_digest(),
            },
        )
        is_best = best is not None and best.step == progress.step
        file = str(path.relative_to(path.parent.parent))
        self._emit(Checkpointed(step=progress.step, epoch=progress.epoch, file=file, best=is_best))
        with suppress(OSError):  # what cannot be removed now is removed after the next checkpoint
            newest = self._checkpoints.steps()[: state.plan.train.keep_checkpoints]
            self._checkpoints.keep_only([*newest, *([best.step] if best else [])])

    def end_epoch(self, progress: Progress) -> None:
        """Write the checkpoint due after an epoch: every `checkpoint_epochs`, the best, and the last.

        Raises NotSaved only if training is finished and no checkpoint exists.
        """
        plan, best = self._state.plan, progress.best
        last = progress.epoch == self._state.epochs
        due = progress.epoch % plan.train.checkpoint_epochs == 0 or last
        if last and not self._checkpoints.steps():
            self.save(progress)
        elif due or (best is not None and best.epoch == progress.epoch):
            self.save_if_possible(progress)

    def last_weights(self) -> str:
        """SHA-256 of the last step's weights and buffers, even if the model now holds the best epoch's."""
        state = self._state
        return self._last_weights or weights_sha256(state.holding.weights(state.model))

    def go_to_best(self, progress: Progress) -> None:
        """Load the weights of the best epoch; keep the last ones if no epoch was scored.

        No checkpoint is written afterwards, because these are not the weights of the last step.
        """
        best = progress.best
        self._last_weights = self.last_weights()
        self._saved = (progress.step, progress.epoch)
        if best is None or best.step == progress.step:
            return
        if best.step not in self._checkpoints.steps():
            missing = (
                f"the weights of the best epoch, {best.epoch}, could not be written in its time"
            )
            self._emit(_warning(f"{missing}{INSTEAD}"))
            return
        try:
            loaded = self._checkpoints.load(best.step)
        except DamagedCheckpoint as damage:
            self._emit(_warning(f"{_damaged(damage).text}{INSTEAD}"))
            return
        load_weights(self._state, loaded)
        self._state.set_scheme_progress(best.step)

    def _apply(self, loaded: Loaded) -> Progress:
        state = self._state
        digest = state.plan.past_digest()
        if loaded.state.get("plan", digest) != digest:
            raise RunFailed(
                f"the checkpoint of step {loaded.step} belongs to another plan than the run has now; "
                "restore the plan, or launch a new run"
            )
        try:
            load_weights(self._state, loaded)
            state.holding.load_optimizer(state.optimizer, loaded.state["optimizer"])
            if state.precision.scaled:
                state.precision.scaler.load_state_dict(loaded.state["scaler"])
            progress = Progress.from_dict(loaded.state["progress"])
            if state.plan.backward == "auto":
                restore_backwards(state, loaded.state["backwards"])
            state.micro_batch = loaded.state.get("micro_batch", state.micro_batch)
            state.set_scheme_progress(max(progress.step, 1))
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunFailed(
                f"the checkpoint of step {loaded.step} does not fit the model this version builds "
                f"({reason}); resume with the versions the run began with, or launch a new run"
            ) from error
        self._saved = (progress.step, progress.epoch)
        self._restart(progress.step)
        return progress

    def _restart(self, step: int) -> None:
        """Reset the intervals to the next checkpoint."""
        self._since, self._began = step, time.monotonic()
        self._micro_batch = self._state.micro_batch

    def _surroundings(self, loaded: Loaded) -> list[Advised]:
        """Adopt the checkpoint's number of threads if the plan names none; warn about remaining differences."""
        before: Mapping[str, Scalar] = loaded.state.get("surroundings", {})
        threads = before.get("CPU threads")
        named = self._state.plan.train.threads is not None
        if isinstance(threads, int) and not named and threads <= (os.cpu_count() or 1):
            torch.set_num_threads(threads)
        now = devices.surroundings(self._state.device)
        changed = [
            f"{k} was {before[k]}, is {now[k]}" for k in now if before.get(k, now[k]) != now[k]
        ]
        text = (
            f"since the checkpoint something changed that decides bits: {'; '.join(changed)}; what follows is "
            "not to the bit what the uninterrupted run would have computed"
        )
        return [_warning(text)] if changed else []


def load_weights(state: TrainingState, loaded: Loaded) -> None:
    """Load the weights of a checkpoint into the model, and into their moving average if there is one.

    Raises RuntimeError or KeyError for a checkpoint of another model.
    """
    state.holding.load_weights(state.model, loaded.weights)
    if state.average is not None:
        state.average.load_state_dict(loaded.state["average"])


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over name, type, shape and bytes of every entry of a `state_dict`, in its order."""
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        host_copy = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {host_copy.dtype} {tuple(host_copy.shape)}\n".encode())
        digest.update(host_copy.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _damaged(damage: DamagedCheckpoint) -> Advised:
    return _warning(f"a checkpoint is damaged and not used: {damage}")


def _warning(text: str) -> Advised:
    return Advised(level="warning", text=text)
