"""Progress: where a run is. With weights, optimiser and scaler it decides everything that follows."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from revconsole.training.watching.seen import WatchedSoFar


@dataclass(slots=True, kw_only=True)
class Epoch:
    """Sums over the images of the running epoch so far."""

    images: int = 0
    correct: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Best:
    """The best epoch by validation, the first of equals. score: larger is better; see `Criterion`."""

    epoch: int
    step: int
    score: float

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Self:
        """From a checkpoint; older ones know of accuracies alone."""
        score = body["score"] if "score" in body else body["accuracy"]
        return cls(epoch=body["epoch"], step=body["step"], score=score)


@dataclass(slots=True, kw_only=True)
class Progress:
    """A position between two optimiser steps.

    step:    optimiser steps taken. epoch: epochs finished, evaluation included.
    running: the epoch under way.   loss:  the last training loss. seen: what the watch has seen.
    """

    step: int = 0
    epoch: int = 0
    running: Epoch = field(default_factory=Epoch)
    best: Best | None = None
    loss: float | None = None
    seen: WatchedSoFar = field(default_factory=WatchedSoFar)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises KeyError or TypeError for anything else."""
        best = body["best"]
        return cls(
            step=body["step"],
            epoch=body["epoch"],
            running=Epoch(**body["running"]),
            best=Best.from_dict(best) if best else None,
            loss=body["loss"],
            seen=WatchedSoFar.from_dict(body.get("seen", {})),
        )

    def finish_epoch(self, *, score: float) -> None:
        """Close the running epoch with its score, and remember it if it is the best so far."""
        self.epoch += 1
        self.running = Epoch()
        if self.best is None or score > self.best.score:
            self.best = Best(epoch=self.epoch, step=self.step, score=score)
