"""Run: the combined content of one run's events, as immutable values that may cross threads."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from revconsole.errors import WrongState
from revconsole.records.given import GivenValue
from revconsole.records.logs.boundary import Boundary
from revconsole.records.logs.clock import StepTimes
from revconsole.records.logs.columns import Pyramid
from revconsole.records.logs.events import MetricDeclared, Scalar
from revconsole.records.runs.artifacts import Artifact
from revconsole.records.runs.rank_files import RankProcess
from revconsole.records.runs.standing import ENDED, GivenAdvice, State
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan

RANKS = re.compile(r"(\d{1,6}) ranks on ")
"""What the name of the device of a run on several ranks begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A row of the runs table. Accuracies are fractions, memory is in bytes, None means not yet measured."""

    id: str
    name: str
    state: State
    reason: str = ""
    """Why the run failed, stalls, was stopped, stopped early or killed, or is lost; empty otherwise."""
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
    """Multiply-adds of the forward pass; None if they could not be counted."""
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
    foreseen_peak_bytes: int | None = None
    """What was foreseen of the step when the run began, if it was known."""
    foreseen_epoch_seconds: float | None = None
    """What was foreseen of an epoch when the run began, if anything was known; see `pace`."""
    foreseen_seconds: float | None = None
    """The same of the whole run."""
    foreseen_time_from: str = ""
    """What the time was known from; see `pace.TimeSource`."""
    eta_ratio_10: float | None = None
    """Seconds that the rest took after a tenth of the steps, by what the ETA said then."""
    eta_ratio_25: float | None = None
    eta_ratio_50: float | None = None
    fingerprint: str | None = None
    device: str = ""
    device_name: str = ""
    """What the device calls itself."""
    alarm: str = ""
    """Standing alarms in a word or two ("diverged"); see `Advised.rule`."""
    alarm_text: str = ""
    """Standing alarms as full sentences."""
    advice: tuple[GivenAdvice, ...] = ()
    """What rules have said of the run, oldest first; an alarm that is over is left out."""
    damaged_lines: int = 0
    weights_sha256: str = ""
    """Hash of the last step's weights, once the run has ended."""
    host: str = ""
    """Machine whose process wrote the newest attempt; empty before the first."""
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Newest value of every recorded metric, in the metric's unit."""
    loss_curve: Sequence[float] = field(default=(), hash=False)
    """Training loss over the run in at most `sketch.MOST_POINTS` means, for a curve in a table row."""
    tags: tuple[str, ...] = ()
    """Words that a user gave the run; see `notebook`."""
    note: str = ""
    """What a user wrote about the run."""
    place: float = 0.0
    """Place in the queue of a run that waits, the lowest is the first; 0 for any other."""
    archived: bool = False
    """Whether a user put the run away: lists leave it out unless it is asked for."""
    beside: str = ""
    """The folder beside the store in which the run lies, if it is only read from here; empty for a run of the store."""

    @property
    def ranks(self) -> int:
        """Processes that share each step in the newest attempt; what its device calls itself says so."""
        several = RANKS.match(self.device_name)
        return int(several[1]) if several else 1

    @property
    def trained_on(self) -> str:
        """The device, as often as the run has ranks: 2×cpu."""
        return f"{self.ranks}×{self.device}" if self.ranks > 1 and self.device else self.device

    @property
    def plan_known(self) -> bool:
        """Whether the settings of `plan` are those of the run: its plan could be read, and revconsole trained it."""
        return self.plan.known

    @property
    def readable(self) -> bool:
        """Whether the plan could be read; without it nothing but the folder's name and a user's notes is known of the run."""
        return self.plan.readable

    @property
    def given(self) -> Mapping[str, GivenValue]:
        """The settings of a run that another program trains, as it gave them; empty for any other run."""
        return self.plan.given if isinstance(self.plan, GivenPlan) else {}

    @property
    def program(self) -> str:
        """The program that recorded the run, if another than revconsole trains it; empty for any other run."""
        return self.plan.program if isinstance(self.plan, GivenPlan) else ""

    @property
    def epochs(self) -> int | None:
        """Number of epochs that the run is to have; None if it is not known."""
        if isinstance(self.plan, GivenPlan):
            return self.plan.length
        return self.plan.epochs if self.readable else None

    @property
    def standing(self) -> str:
        """The state, followed by the alarms: "running, diverged"."""
        return f"{self.state}, {self.alarm}" if self.alarm else self.state

    @property
    def ended(self) -> bool:
        """Whether the run can only continue by a resume."""
        return self.state in ENDED


def refuse_given(plan: Plan) -> None:
    """Raise WrongState for the plan of a run that another program trains, because revconsole has no model of it."""
    if isinstance(plan, GivenPlan):
        raise WrongState(
            f"run {plan.name} is trained by another program ({plan.program}): revconsole has neither its model nor its data; "
            "start that program again"
        )


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

    def value_at(self, index: int) -> float:
        """The value of the point at `index`."""
        return self._values[index]

    def index_at(self, step: int) -> int:
        """The index of the newest point that is not later than `step`; of the first point if all are later."""
        return max(0, bisect_right(self._steps, step, hi=self.length) - 1)

    def values_from(self, index: int) -> Sequence[float]:
        """A copy of the window's values from `index` on."""
        return self._values[index : self.length]

    @property
    def last(self) -> float | None:
        """The newest value; None if the series is empty."""
        return self._values[self.length - 1] if self.length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of the run's log: time in seconds since 1970, level, text.

    source: whether revconsole recorded it, or a process of the run wrote it on its standard output or error.
    """

    time: float
    level: Literal["log", "note", "warning", "alarm"]
    text: str
    source: Literal["run", "output"] = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBytes:
    """The bytes of a training step at its peak, by part, foreseen or measured; see `Apportioned`."""

    of: Literal["foreseen", "measured"]
    backward: str
    parts: Mapping[str, float] = field(hash=False)

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """What one check of the audit found. level: passed, failed, note or skipped."""

    name: str
    level: str
    figure: str = ""
    advice: str = ""


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
    times: StepTimes = field(default_factory=StepTimes)
    log: tuple[LogLine, ...] = ()
    output: tuple[LogLine, ...] = ()
    """What its processes wrote on standard output and error, as far as it was kept; see `process_output`."""
    confusion: Confusion | None = None
    """Confusion matrix of the test; None before it."""
    boundary: Boundary | None = None
    """The latest decision boundary, for datasets of points in the plane."""
    memory: tuple[StepBytes, ...] = ()
    """What was foreseen of the memory of a step, and what was measured."""
    artifacts: tuple[Artifact, ...] = ()
    """The files that the program of the run kept with it, the newest first."""
    ranks: tuple[RankProcess, ...] = ()
    """The processes of its ranks, while it trains on several."""
    audit: tuple[AuditFinding, ...] = ()
    """What the audit before training found; empty for a run without one."""

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.summary.id

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.summary.plan
