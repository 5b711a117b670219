"""Run: the combined content of one run's events, as immutable values that may cross threads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from revconsole.records.logs.boundary import Boundary
from revconsole.records.logs.columns import Pyramid
from revconsole.records.logs.events import MetricDeclared, Scalar
from revconsole.records.settings.plan import Plan

State = Literal[
    "queued", "starting", "running", "stalled", "pausing", "paused", "stopping",
    "finished", "stopped", "failed", "out of memory", "killed", "lost", "damaged",
]  # fmt: skip
ENDED: frozenset[str] = frozenset(
    {"finished", "stopped", "failed", "out of memory", "killed", "lost", "damaged"}
)
"""States that only a resume can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A row of the runs table. Accuracies are fractions, memory is in bytes, None means not yet measured."""

    id: str
    name: str
    state: State
    reason: str = ""
    """Why the run failed, stalls, was stopped or killed, or is lost; empty otherwise."""
    plan: Plan
    created: float
    """Creation time in seconds since 1970."""
    attempt: int = 0
    epoch: int = 0
    """Number of finished epochs."""
    step: int = 0
    steps: int | None = None
    """Optimiser steps of the whole run."""
    seconds: float = 0.0
    """Seconds of training over all attempts; see `times`."""
    seconds_per_epoch: float | None = None
    """Mean seconds of steps, validation, probes and the work between two epochs."""
    seconds_at_end: float = 0.0
    """Seconds from the end of the last epoch to the end of the run; independent of the number of epochs."""
    eta_seconds: float | None = None
    parameters: int | None = None
    multiply_adds_per_image: int | None = None
    """Multiply-adds of the forward pass; None if they could not be counted, or in runs older than the count."""
    support_vectors: int | None = None
    """Number of support vectors of a fitted support vector machine, which has no parameters."""
    best_validation_accuracy: float | None = None
    """Validation accuracy of the best epoch; the loss and the neighbour accuracy are of the same epoch."""
    best_validation_loss: float | None = None
    best_knn_accuracy: float | None = None
    """Accuracy of a nearest-neighbour classifier on the features; None for a run that learns from labels."""
    best_epoch: int | None = None
    test_accuracy: float | None = None
    test_knn_accuracy: float | None = None
    test_loss: float | None = None
    loss: float | None = None
    """Training loss of the last step."""
    kept_for_backward_bytes: int | None = None
    gradient_error: float | None = None
    """Largest relative gradient error found by a probe of the reversible backward."""
    peak_memory_bytes: int | None = None
    peak_memory_of: str = ""
    """Meaning of the peak: "allocated on cuda:0", or "resident, above what was there before"."""
    fingerprint: str | None = None
    device: str = ""
    alarm: str = ""
    """Standing alarms in a word or two ("diverged"); see `Advised.rule`."""
    alarm_text: str = ""
    """Standing alarms as full sentences."""
    damaged_lines: int = 0
    weights_sha256: str = ""
    """Hash of the last step's weights, once the run has ended."""

    @property
    def standing(self) -> str:
        """The state, followed by the alarms: "running, diverged"."""
        return f"{self.state}, {self.alarm}" if self.alarm else self.state

    @property
    def ended(self) -> bool:
        """Whether the run can only continue by a resume."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over steps: a window of fixed length onto columns that only grow."""

    metric: MetricDeclared
    _steps: Sequence[int]
    _values: Sequence[float]
    length: int
    _pyramid: Pyramid | None = field(default=None, compare=False, repr=False)

    @property
    def steps(self) -> list[int]:
        """A copy of the optimiser steps, ascending; a metric per epoch has the last step of each epoch."""
        return list(self._steps[: self.length])

    @property
    def values(self) -> list[float]:
        """A copy of the values, one per step, in the metric's unit; NaN and infinities are possible."""
        return list(self._values[: self.length])

    @property
    def pyramid(self) -> Pyramid:
        """Extremes of any range of the values, without a copy; may include values beyond the window."""
        return self._pyramid or Pyramid(self._values)

    def step_at(self, index: int) -> int:
        """The step of the point at `index`."""
        return self._steps[index]

    def values_from(self, index: int) -> Sequence[float]:
        """A copy of the window's values from `index` on."""
        return self._values[index : self.length]

    @property
    def last(self) -> float | None:
        """The newest value; None if the series is empty."""
        return self._values[self.length - 1] if self.length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of the run's log: time in seconds since 1970, level, text."""

    time: float
    level: Literal["log", "note", "warning", "alarm"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Confusion matrix of a test: `counts[i][j]` images of class i were predicted as class j."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def accuracies(self) -> dict[str, float | None]:
        """Fraction of correctly predicted images by class name; None for a class without images."""
        return {
            name: row[number] / sum(row) if sum(row) else None
            for number, (name, row) in enumerate(zip(self.names, self.counts, strict=True))
        }

    def mistaken(self, number: int) -> str | None:
        """The wrong class most often predicted for images of class `number`; None if all were right."""
        wrong = [0 if other == number else count for other, count in enumerate(self.counts[number])]
        return self.names[wrong.index(max(wrong))] if any(wrong) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything known about a run when it was read."""

    summary: Summary
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    earlier: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    """Earlier values, in order, of facts that a later attempt changed."""
    series: Mapping[str, Series] = field(default_factory=dict)
    log: tuple[LogLine, ...] = ()
    confusion: Confusion | None = None
    """Confusion matrix of the test; None before it."""
    boundary: Boundary | None = None
    """The latest decision boundary, for datasets of points in the plane."""

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.summary.id

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.summary.plan
