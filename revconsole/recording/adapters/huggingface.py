"""Hugging Face's Trainer: a callback that records its run.

    Trainer(model, arguments, callbacks=[RevconsoleCallback("my-run")], …)

The console's stop ends the training after the step, as `control.should_training_stop` does, and its pause pauses it.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from revconsole.recording.recorded_run import RecordedRun
from revconsole.recording.recording import record

PROGRAM = "transformers.Trainer"
USUAL = (
    "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs", "max_steps", "optim",
    "weight_decay", "lr_scheduler_type", "warmup_steps", "seed", "bf16", "fp16",
)  # fmt: skip
"""Arguments that are settings also where they are at their defaults; there are a hundred others."""
UNSET = frozenset({"None", "[]", "{}", ""})
"""Texts of arguments that nobody has set."""
ALMOST = 1e-6
"""Epochs are counted in floats."""


class RevconsoleCallback(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Records each training. name: of the run, else that of the arguments. settings: beside the arguments and the model's config.

    options: of `revconsole.record`, such as `store` or `resume`. keep_open: go on recording after the training, for evaluations
    that follow; end the run by `callback.run.finish()`.
    """

    def __init__(
        self,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        keep_open: bool = False,
        **options: Any,
    ) -> None:
        self._name, self._settings, self._options = name, dict(settings or {}), options
        self._keep_open = keep_open
        self.run = RecordedRun(None)
        """The run; one that records nothing before the training begins."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Begin a run."""
        del control
        if not state.is_world_process_zero:
            return
        model = given.get("model")
        config = getattr(model, "config", None)
        kind = getattr(config, "model_type", type(model).__name__)
        settings = {"model": kind, **_told(args), **self._settings}
        counted = getattr(model, "num_parameters", None)
        facts = {"parameters": int(counted())} if counted else {}
        name = self._name or getattr(args, "run_name", None) or Path(args.output_dir).name
        self.run.finish()
        options = {"program": PROGRAM, "steps": state.max_steps, "facts": facts} | self._options
        self.run = record(name, settings, **options)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Record what the Trainer logs."""
        del args, control
        values = {name: value for name, value in (logs or {}).items() if name != "epoch"}
        done = None if state.epoch is None else int(state.epoch + ALMOST)
        self.run.log(state.global_step, values, epoch=done)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Pause or end the training if somebody asked for it."""
        del args, state
        if self.run.stop_asked():
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End the run."""
        del args, state, control
        if not self._keep_open:
            self.run.finish()


def _told(args: Any) -> dict[str, Any]:
    """The arguments that are usual, or that somebody has set."""
    defaults = {field.name: field.default for field in fields(args)}
    every: dict[str, Any] = args.to_sanitized_dict()
    return {
        name: value
        for name, value in every.items()
        if name in USUAL or (value != defaults.get(name, value) and str(value) not in UNSET)
    }
