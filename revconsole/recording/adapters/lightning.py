"""Lightning: a logger that records a run, and a callback by which the console stops and pauses it.

logger = RevconsoleLogger("my-run")
Trainer(logger=logger, callbacks=[logger.stopping()], …)
"""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only

from revconsole.recording.recorded_run import RecordedRun
from revconsole.recording.recording import record

PROGRAM = "lightning.Trainer"


class RevconsoleLogger(Logger):  # type: ignore[misc]  # lightning has no types here
    """Records a run, which begins with the first hyperparameters or metrics. settings, options: of `revconsole.record`."""

    def __init__(
        self, name: str = "lightning", settings: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__()
        self._name, self._settings, self._options = name, dict(settings or {}), options
        self._run: RecordedRun | None = None

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._name

    @property
    def version(self) -> str:
        """The id of the run; empty before it has begun."""
        return self._run.id if self._run else ""

    @property
    @rank_zero_experiment  # type: ignore[untyped-decorator]
    def experiment(self) -> RecordedRun:
        """The run, for what a logger has no method for: `logger.experiment.confusion(…)`."""
        if self._run is None:
            self._run = record(self._name, self._settings, **({"program": PROGRAM} | self._options))
        return self._run

    @rank_zero_only  # type: ignore[untyped-decorator]
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Settings of the module: they are taken if the run has not begun."""
        given = vars(params) if isinstance(params, Namespace) else dict(params or {})
        self._settings = given | self._settings

    @rank_zero_only  # type: ignore[untyped-decorator]
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics. Lightning counts epochs from 0; one is done where something of a validation is known."""
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        validated = any(name.startswith(("val", "test")) for name in values)
        done = None if epoch is None else int(epoch) + validated
        self.experiment.log(step, values, epoch=done)

    @rank_zero_only  # type: ignore[untyped-decorator]
    def finalize(self, status: str) -> None:
        """End the run if the training failed; else it stays open for a test, and ends with the program or by `finish`."""
        if self._run is not None and status == "failed":
            self._run.finish(RuntimeError("the Trainer ended with an exception; see its output"))

    def finish(self) -> None:
        """End the run."""
        if self._run is not None:
            self._run.finish()

    def stopping(self) -> "StopOnRequest":
        """A callback by which the console's stop and pause reach the Trainer."""
        return StopOnRequest(self)


class StopOnRequest(Callback):  # type: ignore[misc]  # as above
    """Ends the training after the batch if somebody asked for it, and pauses it."""

    def __init__(self, logger: RevconsoleLogger) -> None:
        self._logger = logger

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Look whether somebody asked."""
        del module
        if self._logger.experiment.stop_asked():
            trainer.should_stop = True
