"""Progress: the position of a run. Together with weights, optimiser and scaler it determines everything that follows."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from revconsole.training.advice.seen import WatchedSoFar


@dataclass(slots=True, kw_only=True)
class Epoch:
    """Sums over the images of the current epoch so far."""

    images: int = 0
    correct: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Best:
    """The best epoch by validation, the first among equals. score: larger is better; see `Criterion`."""

    epoch: int
    step: int
    score: float


@dataclass(slots=True, kw_only=True)
class Progress:
    """A position between two optimiser steps.

    step:    optimiser steps taken. epoch: epochs finished, including their evaluation.
    running: the current epoch.     loss:  the last training loss. seen: state of the watch.
    """

    step: int = 0
    epoch: int = 0
    running: Epoch = field(default_factory=Epoch)
    best: Best | None = None
    loss: float | None = None
    seen: WatchedSoFar = field(default_factory=WatchedSoFar)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises KeyError or TypeError for anything else."""
        best = body["best"]
        return cls(
            step=body["step"],
            epoch=body["epoch"],
            running=Epoch(**body["running"]),
            best=Best(**best) if best else None,
            loss=body["loss"],
            seen=WatchedSoFar.from_dict(body["seen"]),
        )

    def finish_epoch(self, *, score: float) -> None:
        """Close the current epoch with its score, and record it if it is the best so far."""
        self.epoch += 1
        self.running = Epoch()
        if self.best is None or score > self.best.score:
            self.best = Best(epoch=self.epoch, step=self.step, score=score)
