"""What the rules judge by: what is known of a run beforehand, and what they have seen of it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

WINDOW = 20
"""Steps whose losses are judged together."""
FEWEST = 5
"""The same in a run that has ended before there were so many."""
MOST_STEPS_TO_JUDGE = 500
"""A long epoch is looked at this often for memory that grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """What is known of a run before it trains.

    guessing_loss: nats per image of whoever knows the shares of the training labels and no image, on the validation
    images (or the training images, where none are held out); guessing_accuracy: the share of images that the most
    frequent class would be right for. Both None for a run without labels.
    warmup: steps in which the rate rises. momentum: of SGD, 0 of others. adaptive: whether the optimiser scales every
    weight's step to the rate. average: decay of the moving average of the weights that is judged, 0 for the weights
    themselves. clipped: whether the norm of the gradient is.
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
        """The warm-up to try where there is none, or one that did not do."""
        return "a longer warm-up" if self.warmup else "a warm-up"


@dataclass(slots=True, kw_only=True)
class Lowest:
    """The epoch with the lowest validation loss, and its training loss."""

    epoch: int
    loss: float
    train_loss: float


@dataclass(slots=True, kw_only=True)
class WatchedSoFar:
    """What the rules have seen of a run. Part of every checkpoint, so that a resumed run says nothing twice.

    first: the loss before any update. highest: of any step. losses: the last ones, WINDOW at most. rate, most_rate: the learning rate
    now and at its highest. moved: how far a weight can have gone, the sum of all rates of an adaptive optimiser, the
    length of the whole path else. memory: the least resident bytes of each stretch of steps, the running one last.
    apart: epochs in a row in which the validation loss was clearly higher than at its lowest, the training loss lower.
    standing: rules whose advice still holds; told: rules that have spoken at all.
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
        """Plain numbers and words, for a checkpoint."""
        return asdict(self)

    def recent(self, subject: WatchedRun) -> float | None:
        """The median loss of the last steps; None before there are enough, which at the end of a run are fewer."""
        enough = WINDOW if self.step < subject.steps else FEWEST
        return statistics.median(self.losses) if len(self.losses) >= enough else None

    def add_step(self, subject: WatchedRun, step: int, values: Mapping[str, float]) -> None:
        """Take the measurements of a step in."""
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
        """The least memory of each stretch that is over, but the first of the run, in which everything is new."""
        return self.memory[:-1]


def _held(values: Mapping[str, float]) -> float | None:
    """Bytes held between steps, on the device where it counts them."""
    return values.get("device_allocated_bytes", values.get("resident_bytes"))
