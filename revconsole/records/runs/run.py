"""Run: what the events of one run amount to, as immutable values that may cross threads."""

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
"""States that nothing but a resume can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One row of the runs table. Accuracies are fractions, memory is in bytes, None is "not yet measured"."""

    id: str
    name: str
    state: State
    reason: str = ""
    """Why it failed, stalls, was stopped or killed or is lost; empty otherwise."""
    plan: Plan
    created: float
    """Seconds since 1970."""
    attempt: int = 0
    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    steps: int | None = None
    """Optimiser steps of the whole run."""
    seconds: float = 0.0
    """Of training, over all attempts; see `times`."""
    seconds_per_epoch: float | None = None
    """Steps, validation and what is done between two epochs, probes too."""
    seconds_at_end: float = 0.0
    """From the end of the last epoch on: what a run does once, however many epochs it has."""
    eta_seconds: float | None = None
    parameters: int | None = None
    multiply_adds_per_image: int | None = None
    """Of the forward pass; None where nothing could count them, or the run is older than the count."""
    support_vectors: int | None = None
    """Of a support vector machine, once it is fitted; it has no parameters."""
    best_validation_accuracy: float | None = None
    """Of the best epoch, as the three below."""
    best_validation_loss: float | None = None
    best_knn_accuracy: float | None = None
    """Of the nearest neighbours; None for a run that learns from labels."""
    best_epoch: int | None = None
    test_accuracy: float | None = None
    test_knn_accuracy: float | None = None
    test_loss: float | None = None
    loss: float | None = None
    """Training loss of the last step."""
    kept_for_backward_bytes: int | None = None
    gradient_error: float | None = None
    """Largest relative error of a gradient that a probe of the reversible backward found."""
    peak_memory_bytes: int | None = None
    peak_memory_of: str = ""
    """What the peak is of: "allocated on cuda:0", or "resident, above what was there before"."""
    fingerprint: str | None = None
    device: str = ""
    alarm: str = ""
    """What is wrong with the run itself, in a word or two ("diverged"), while that holds; see `Advised.rule`."""
    alarm_text: str = ""
    """The whole sentence."""
    damaged_lines: int = 0
    weights_sha256: str = ""
    """Of the last step's weights, once the run has ended."""

    @property
    def standing(self) -> str:
        """The state, and what is wrong with the run."""
        return f"{self.state}, {self.alarm}" if self.alarm else self.state

    @property
    def ended(self) -> bool:
        """Whether nothing more will come unless somebody resumes it."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over steps: a window of fixed length onto columns that only ever grow."""

    metric: MetricDeclared
    _steps: Sequence[int]
    _values: Sequence[float]
    length: int
    _pyramid: Pyramid | None = field(default=None, compare=False, repr=False)

    @property
    def steps(self) -> list[int]:
        """A copy of the optimiser steps, ascending; for metrics per epoch the last step of the epoch."""
        return list(self._steps[: self.length])

    @property
    def values(self) -> list[float]:
        """A copy of the values, one per step, in the metric's unit; may be NaN or infinite."""
        return list(self._values[: self.length])

    @property
    def pyramid(self) -> Pyramid:
        """The extremes of any stretch of the values, without a copy; may know values beyond the window."""
        return self._pyramid or Pyramid(self._values)

    def step_at(self, index: int) -> int:
        """The step of one point."""
        return self._steps[index]

    def values_from(self, index: int) -> Sequence[float]:
        """A copy of the values of the window from one on."""
        return self._values[index : self.length]

    @property
    def last(self) -> float | None:
        """The newest value."""
        return self._values[self.length - 1] if self.length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the run's log: when, how serious, what."""

    time: float
    level: Literal["log", "note", "warning", "alarm"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Which class was taken for which in a test: `counts[i][j]` images of class i were called j."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def accuracies(self) -> dict[str, float | None]:
        """Of every class, the fraction of its images that were called so; None where there were none."""
        return {
            name: row[number] / sum(row) if sum(row) else None
            for number, (name, row) in enumerate(zip(self.names, self.counts, strict=True))
        }

    def mistaken(self, number: int) -> str | None:
        """What the images of a class are called most often if not that; None where all were right."""
        wrong = [0 if other == number else count for other, count in enumerate(self.counts[number])]
        return self.names[wrong.index(max(wrong))] if any(wrong) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything known of one run at one moment."""

    summary: Summary
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    earlier: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    """Of facts that an attempt changed, what the attempts before it had recorded, in order."""
    series: Mapping[str, Series] = field(default_factory=dict)
    log: tuple[LogLine, ...] = ()
    confusion: Confusion | None = None
    """Of the test, once there was one."""
    boundary: Boundary | None = None
    """The latest, of data that are points of the plane."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.summary.id

    @property
    def plan(self) -> Plan:
        """What it was asked to do."""
        return self.summary.plan
