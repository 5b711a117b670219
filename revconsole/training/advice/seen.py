"""Seen: the facts of a run, and what was seen of it, from which the rules judge."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from revconsole.records.logs.events import EpochFinished

WINDOW = 20
"""Steps whose losses are judged together."""
FEWEST = 5
"""Steps that suffice at the end of a run with fewer than WINDOW."""
NORMS = 100
"""Last gradient norms that are kept."""
MOST_POINTS = 400
"""Points of the trend; of more, every other one is kept."""
MOST_REPORTS, MOST_EPOCHS = 40, 80
"""Last reports of the meter and last epochs that are kept."""
MISSED_EPOCHS = 5
"""Last epochs whose unpredicted classes are kept."""
MOST_STEPS_TO_JUDGE = 500
"""Longest stretch of steps, within a long epoch, whose least memory is recorded."""
FAIR_STEPS = 200
"""Least steps, and at least one epoch, before a run is judged."""
SIGMAS = 3.0
OF_STEPS = frozenset({"loss", "learning_rate", "gradient_norm"})
"""Values of single steps; the others are of a whole report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """The facts of a run known before it trains.

    guessing_loss: nats per validation image (training image, if none is held out) of a prediction by the training
    labels' frequencies. guessing_accuracy: share of the most frequent class. Both are None for a run without labels.
    classes: 0 without labels. images: those judged after an epoch; tested: those judged at the end. micro_batch:
    images per forward pass. warmup: steps in which the rate rises. schedule: its name. momentum: of SGD, 0 for other
    optimisers. adaptive: whether the optimiser scales every weight's step to the rate. average: decay of the judged
    moving average of the weights, 0 without one. clipped: whether the gradient norm is clipped, to clip. scaled:
    whether a loss scaler skips steps that overflow. noisy: whether training images are augmented, mixed or smoothed,
    or parts of the network dropped. batch_norm: whether statistics are taken over the batch. blocks: names of the
    numbered parts of the network, in order. names: of the classes; empty without labels. device: its type.
    """

    steps: int
    steps_per_epoch: int
    images: int
    guessing_loss: float | None
    guessing_accuracy: float | None
    classes: int = 0
    tested: int = 0
    batch: int = 0
    micro_batch: int = 0
    accumulate: int = 1
    warmup: int = 0
    schedule: str = ""
    momentum: float = 0.0
    adaptive: bool = True
    average: float = 0.0
    clipped: bool = False
    clip: float = 0.0
    scaled: bool = False
    noisy: bool = False
    batch_norm: bool = False
    blocks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    device: str = "cpu"

    @property
    def warm_up(self) -> str:
        """Words for the warm-up to try."""
        return "a longer warm-up" if self.warmup else "a warm-up"

    @property
    def fair(self) -> int:
        """Steps after which the run can be judged."""
        return self.warmup + max(FAIR_STEPS, self.steps_per_epoch)

    def spread(self, share: float, images: int | None = None) -> float:
        """By how much an accuracy measured on the judged images may differ from the true one."""
        n = self.images if images is None else images
        return SIGMAS * math.sqrt(max(0.0, share * (1 - share)) / max(1, n))


@dataclass(slots=True, kw_only=True)
class Lowest:
    """The epoch with the lowest validation loss, and its training loss."""

    epoch: int
    loss: float
    train_loss: float


@dataclass(slots=True, kw_only=True)
class WatchedSoFar:
    """What was seen of a run. It is part of every checkpoint, so that a resumed run repeats no advice.

    first: loss before any update. highest: of any step. losses, norms: the last ones, at most WINDOW and NORMS. trend:
    (step, median loss, median gradient norm) of WINDOW steps each, over the whole run. reports: the last values that
    the meter measured once per report, with `step`. epochs: the values of the last epochs, with `epoch` and `step`.
    unpredicted: by epoch, of the last ones, the classes that no validation image was taken for.
    probes: every value of the last measurements of the reconstruction, with `step`. ending: the last values of a
    completed run. kept: bytes that a forward pass keeps for its backward. rate, most_rate: the learning rate now and
    at its highest. moved: the most that a weight can have moved (sum of the rates of an adaptive optimiser, otherwise
    length of the path). memory: least resident bytes of each stretch of steps, the current one last. standing: rules
    whose condition stands. told: rules that have spoken.
    """

    first: float | None = None
    highest: float = 0.0
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    trend: list[list[float]] = field(default_factory=list)
    every: int = WINDOW
    reports: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    unpredicted: list[list[int]] = field(default_factory=list)
    probes: list[dict[str, float]] = field(default_factory=list)
    ending: dict[str, float] = field(default_factory=dict)
    kept: float = 0.0
    step: int = 0
    rate: float = 0.0
    most_rate: float = 0.0
    moved: float = 0.0
    memory: list[float] = field(default_factory=list)
    stretch: int = 0
    lowest: Lowest | None = None
    standing: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TypeError for fields that there are not."""
        lowest = body["lowest"]
        return cls(**{**body, "lowest": Lowest(**lowest) if lowest else None})

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers and words, for a checkpoint."""
        return asdict(self)

    def recent(self, subject: WatchedRun) -> float | None:
        """Median loss of the last steps; None before there are WINDOW, or FEWEST at the end of a run."""
        enough = WINDOW if self.step < subject.steps else FEWEST
        return statistics.median(self.losses) if len(self.losses) >= enough else None

    def epoch(self) -> Mapping[str, float]:
        """The values of the last epoch; empty before the first."""
        return self.epochs[-1] if self.epochs else {}

    def column(self, name: str, among: Sequence[Mapping[str, float]]) -> list[float]:
        """The values of that name, where they were measured."""
        return [values[name] for values in among if name in values]

    def over(self, first: float, last: float) -> list[float]:
        """Losses of the trend between two steps, the first excluded."""
        return [loss for step, loss, _ in self.trend if first < step <= last]

    def falls(self, by: float) -> bool:
        """Whether the training loss fell by this fraction or more over the last quarter of the epochs."""
        before = self.epochs[-max(2, len(self.epochs) // 4)]
        return self.epochs[-1]["train_loss"] < (1 - by) * before["train_loss"]

    def add_step(self, subject: WatchedRun, step: int, values: Mapping[str, float]) -> None:
        """Update the state with the measurements of a step, or of a probe between two."""
        self.step = step
        self.kept = values.get("kept_for_backward_bytes", self.kept)  # of a log that is read again
        if "reconstruction_error" in values:
            self.probes = [*self.probes[1 - MOST_EPOCHS :], {**values, "step": float(step)}]
            return
        if not step:
            return
        if (loss := values.get("loss")) is not None:
            self._add_loss(step, loss, values.get("gradient_norm", math.nan))
        if (rate := values.get("learning_rate")) is not None:
            self.rate, self.most_rate = rate, max(rate, self.most_rate)
            norm = values.get("gradient_norm", 0.0)
            if subject.adaptive:
                norm = 1.0
            elif subject.clip:
                norm = min(norm, subject.clip)
            moved = rate * norm / (1 - subject.momentum)
            self.moved += moved if math.isfinite(moved) else 0.0
        if "resident_bytes" in values:
            self._add_memory(subject, step, _held(values))
            of_report = {k: v for k, v in values.items() if k not in OF_STEPS}
            self.reports = [*self.reports[1 - MOST_REPORTS :], {**of_report, "step": float(step)}]

    def add_epoch(self, event: EpochFinished) -> None:
        """Update the state with the scores of an epoch."""
        epoch, values = event.epoch, event.values
        place = {"epoch": float(epoch), "step": float(event.step)}
        self.unpredicted = [*self.unpredicted[1 - MISSED_EPOCHS :], list(event.unpredicted)]
        self.epochs = [*self.epochs[1 - MOST_EPOCHS :], {**values, **place}]
        train, validation = values.get("train_loss"), values.get("validation_loss")
        if train is None or validation is None:
            return
        if self.lowest is None or validation < self.lowest.loss:
            self.lowest = Lowest(epoch=epoch, loss=validation, train_loss=train)

    def _add_loss(self, step: int, loss: float, norm: float) -> None:
        self.first = loss if self.first is None else self.first
        self.highest = max(self.highest, loss)
        self.losses = [*self.losses[1 - WINDOW :], loss]
        self.norms = [*self.norms[1 - NORMS :], norm]
        if step % self.every:
            return
        point = [float(step), statistics.median(self.losses), _median(self.norms[-WINDOW:])]
        self.trend.append(point)
        if len(self.trend) > MOST_POINTS:
            self.trend, self.every = self.trend[1::2], 2 * self.every

    def _add_memory(self, subject: WatchedRun, step: int, resident: float) -> None:
        stretch = (step - 1) // min(max(1, subject.steps_per_epoch), MOST_STEPS_TO_JUDGE)
        if not self.memory or stretch > self.stretch:
            self.memory, self.stretch = [*self.memory[-4:], resident], stretch
        else:
            self.memory[-1] = min(self.memory[-1], resident)


def _held(values: Mapping[str, float]) -> float:
    """Bytes held between steps, on the device if it counts them."""
    return values.get("device_allocated_bytes", values["resident_bytes"])


def _median(values: Sequence[float]) -> float:
    """The median of the finite values; infinite if there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.inf
