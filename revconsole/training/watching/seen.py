"""Seen: the facts of a run, and the state that the rules accumulate."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

WINDOW = 20
"""Steps whose losses are judged together."""
FEWEST = 5
"""Steps that suffice at the end of a run with fewer than WINDOW."""
MOST_STEPS_TO_JUDGE = 500
"""Longest stretch of steps, within a long epoch, whose least memory is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """The facts of a run known before it trains.

    guessing_loss: nats per validation image (training image, if none is held out) of a prediction by the training
    labels' frequencies. guessing_accuracy: share of the most frequent class. Both are None for a run without labels.
    warmup: steps in which the rate rises. momentum: of SGD, 0 for other optimisers. adaptive: whether the optimiser
    scales every weight's step to the rate. average: decay of the judged moving average of the weights, 0 without one.
    clipped: whether the gradient norm is clipped.
    """

    steps: int
    steps_per_epoch: int
    images: int
    guessing_loss: float | None
    guessing_accuracy: float | None
    warmup: int = 0
    momentum: float = 0.0
    adaptive: bool = True
    average: float = 0.0
    clipped: bool = False

    @property
    def warm_up(self) -> str:
        """Words for the warm-up to try."""
        return "a longer warm-up" if self.warmup else "a warm-up"


@dataclass(slots=True, kw_only=True)
class Lowest:
    """The epoch with the lowest validation loss, and its training loss."""

    epoch: int
    loss: float
    train_loss: float


@dataclass(slots=True, kw_only=True)
class WatchedSoFar:
    """The accumulated state of the rules. It is part of every checkpoint, so that a resumed run repeats no warning.

    first: loss before any update. highest: of any step. losses: the last ones, at most WINDOW. rate, most_rate: the
    learning rate now and at its highest. moved: the most that a weight can have moved (sum of the rates of an
    adaptive optimiser, otherwise length of the path). memory: least resident bytes of each stretch of steps, the
    current one last. apart: epochs in a row with a validation loss clearly above its lowest and a lower training
    loss. standing: rules whose alarm still stands. told: rules that have warned.
    """

    first: float | None = None
    highest: float = 0.0
    losses: list[float] = field(default_factory=list)
    step: int = 0
    rate: float = 0.0
    most_rate: float = 0.0
    moved: float = 0.0
    memory: list[float] = field(default_factory=list)
    stretch: int = 0
    lowest: Lowest | None = None
    apart: int = 0
    standing: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        lowest = body.get("lowest")
        return cls(**{**body, "lowest": Lowest(**lowest) if lowest else None})

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers and words, for a checkpoint."""
        return asdict(self)

    def recent(self, subject: WatchedRun) -> float | None:
        """Median loss of the last steps; None before there are WINDOW, or FEWEST at the end of a run."""
        enough = WINDOW if self.step < subject.steps else FEWEST
        return statistics.median(self.losses) if len(self.losses) >= enough else None

    def add_step(self, subject: WatchedRun, step: int, values: Mapping[str, float]) -> None:
        """Update the state with the measurements of a step."""
        self.step = step
        if (loss := values.get("loss")) is not None:
            self.first = loss if self.first is None else self.first
            self.highest = max(self.highest, loss)
            self.losses = [*self.losses[1 - WINDOW :], loss]
        if (rate := values.get("learning_rate")) is not None:
            self.rate, self.most_rate = rate, max(rate, self.most_rate)
            norm = 1.0 if subject.adaptive else values.get("gradient_norm", 0.0)
            moved = rate * norm / (1 - subject.momentum)
            self.moved += moved if math.isfinite(moved) else 0.0
        if (resident := _held(values)) is not None:
            self._add_memory(subject, step, resident)

    def _add_memory(self, subject: WatchedRun, step: int, resident: float) -> None:
        stretch = (step - 1) // min(max(1, subject.steps_per_epoch), MOST_STEPS_TO_JUDGE)
        if not self.memory or stretch > self.stretch:
            self.memory, self.stretch = [*self.memory[-4:], resident], stretch
        else:
            self.memory[-1] = min(self.memory[-1], resident)

    def full_stretches(self) -> Sequence[float]:
        """Least memory of each finished stretch."""
        return self.memory[:-1]


def _held(values: Mapping[str, float]) -> float | None:
    """Bytes held between steps, on the device if it counts them."""
    return values.get("device_allocated_bytes", values.get("resident_bytes"))
