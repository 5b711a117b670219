"""History: the combined content of a run's events. `RunningSummary` keeps what a table row shows, `History` every point as well.

What older attempts wrote beyond the step from which a new one resumed is dropped, so a curve never shows a step twice.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from revconsole.records.criterion import VALIDATION_ACCURACY, Criterion
from revconsole.records.logs.block import MeasuredBlock, is_timed
from revconsole.records.logs.boundary import Boundary, following
from revconsole.records.logs.clock import Clock, StepTimes
from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import (
    Advised,
    Answered,
    Apportioned,
    Audited,
    Bounded,
    Checkpointed,
    Confused,
    EpochFinished,
    Failed,
    Finished,
    HandedOver,
    Logged,
    LoggedEvent,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.runs.run import AuditFinding, Confusion, LogLine, Series, StepBytes
from revconsole.records.runs.running import RunningSummary

LOG_LINES = 1000
"""Log lines kept for the screen; the file has all of them."""


class History:
    """Everything about one run: its running summary, every metric as a series, and the last log lines."""

    def __init__(self, best: Criterion = VALIDATION_ACCURACY) -> None:
        self.running = RunningSummary(best)
        self._criterion = best
        self._metrics: dict[str, MetricDeclared] = {}
        self._columns: dict[str, MetricColumn] = {}
        self._clock = Clock()
        self._log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.confusion: Confusion | None = None
        self.boundary: Boundary | None = None
        self.memory: dict[tuple[str, str], StepBytes] = {}
        self.audit: tuple[AuditFinding, ...] = ()

    def begin_attempt(self) -> None:
        """Announce that the next record belongs to a newer attempt."""
        self.running.begin_attempt()

    def add(self, record: LoggedEvent) -> None:
        """Process one record. Records must come in the order written."""
        self.running.add(record)
        match record.event:
            case Started(resumed_from=step):
                self._supersede(step or 0)
                self._clock.begin(wall=record.time - record.elapsed, step=step or 0)
                self.confusion = None  # it belongs to a test that the resumed run repeats
            case Confused(names=names, counts=counts):
                self.confusion = Confusion(names=tuple(names), counts=tuple(map(tuple, counts)))
            case Bounded() as event:
                self.boundary = following(self.boundary, event)
            case Apportioned(of=of, backward=word, parts=parts):
                found = {str(part): float(size) for part, size in parts.items()}
                self.memory[of, word] = StepBytes(of=of, backward=word, parts=found)
            case Audited(checks=checks):
                self.audit = tuple(
                    AuditFinding(**{k: str(v) for k, v in each.items()}) for each in checks
                )
            case MetricDeclared() as metric:
                self._metrics[metric.name] = metric
            case Measured() | EpochFinished() as event:
                self._append(event.step, event.values)
                if is_timed(event):
                    self._clock.add(event.step, record.elapsed)
            case Finished(step=step, values=values):
                self._append(step, values)
            case _:
                pass
        self._log.extend(_lines(record, self._criterion))

    def add_block(self, block: MeasuredBlock) -> None:
        """Process many measurements as if they had been added one by one."""
        self.running.add_block(block)
        for name, column in block.columns.items():
            self._column(name).extend(column)
        for step, elapsed in zip(block.timed.steps, block.timed.values, strict=True):
            self._clock.add(step, elapsed)

    def times(self) -> StepTimes:
        """When the steps were taken."""
        return self._clock.times()

    def series(self) -> dict[str, Series]:
        """Every metric with at least one point by step, as windows onto the columns; only points in disorder are copied."""
        ordered = {name: column.ordered for name, column in self._columns.items()}
        return {
            name: Series(self._metric(name), c.steps, c.values, len(c.values), c.pyramid)
            for name, c in ordered.items()
        }

    def log(self) -> tuple[LogLine, ...]:
        """The last lines of the log, oldest first."""
        return tuple(self._log)

    def _append(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._column(name).append(step, value)

    def _column(self, name: str) -> MetricColumn:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = MetricColumn()
        return column

    def _metric(self, name: str) -> MetricDeclared:
        unknown = MetricDeclared(name=name, unit="", per="step", direction="none", meaning="")
        return self._metrics.get(name, unknown)

    def _supersede(self, step: int) -> None:
        """Drop points beyond `step`."""
        self._columns = {name: column.until(step) for name, column in self._columns.items()}


def _lines(record: LoggedEvent, best: Criterion) -> Iterable[LogLine]:
    def line(level: Any, text: str) -> LogLine:
        return LogLine(time=record.time, level=level, text=text)

    match record.event:
        case Logged(text=text):
            yield line("log", text)
        case Advised(level=level) as advised:
            yield line(level, advised.sentence)
        case Answered(verb=verb, by=by, step=step):
            yield line("note", f"{verb} at step {step}, asked by {by}")
        case Checkpointed(step=step, best=True):
            yield line("log", f"checkpoint of step {step}: best {best.words} so far")
        case HandedOver(step=step, to=to):
            yield line("note", f"handed over to {to} at step {step}")
        case Failed(reason=reason):
            yield line("alarm", reason)
        case Finished(outcome=outcome, step=step, by=by):
            yield line("log", f"{outcome} at step {step}" + (f", asked by {by}" if by else ""))
        case _:
            return
