"""Metrics: turns what a program logs into events: our names, declarations on first use, epochs where something was evaluated."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from revconsole.errors import said
from revconsole.recording.numbers import Number
from revconsole.recording.process_samples import SAMPLED
from revconsole.records.logs.events import EpochFinished, Event, Measured
from revconsole.records.metric_names import MetricName, declared, our_metric

MOST_METRICS = 2000
"""Metrics of one run; of more, some name holds a number that changes."""
LONGEST_NAME = 120
SURELY_PERCENT = 1.5
"""Above it, what is called an accuracy is in percent."""


class LoggedValues(NamedTuple):
    """What one call of `log` said. epoch: None if it said none. A tuple, because a training waits while it is made."""

    step: int
    epoch: int | None
    values: Mapping[str, Number | None]


class LoggedMetrics:
    """The metrics of one run so far. complaints: sentences on what could not be taken, each once."""

    def __init__(self) -> None:
        self._names: dict[str, MetricName] = {}
        self._taken: dict[str, str] = {}
        self._validating: set[str] = set()
        self._evaluations, self._epoch = 0, 0
        self._last: int | None = None
        self.complaints: dict[str, str] = {}

    def events(self, logged: LoggedValues) -> Iterator[Event]:
        """The events of one call: declarations of what is new, then the values."""
        values: dict[str, float] = {}
        validated = False
        for theirs, number in logged.values.items():
            if number is None:
                continue
            name = self._names.get(theirs)
            if name is None:
                name = self._named(str(theirs))
                if name is None:
                    continue
                self._names[theirs] = name
                yield SAMPLED.get(name.name) or declared(name, str(theirs))
            if callable(number) and (number := self._read(str(theirs), number)) is None:
                continue
            values[name.name] = value = float(number) * name.factor
            if SURELY_PERCENT < value < math.inf and name.name.endswith("_accuracy"):
                self._doubt(str(theirs), value)
            validated = validated or name.name in self._validating
        if not values:
            return
        self._order(logged.step)
        self._epoch = self._epoch if logged.epoch is None else logged.epoch
        if validated:
            self._evaluations += 1
            epoch = self._epoch if logged.epoch is not None or self._epoch else self._evaluations
            yield EpochFinished(epoch=epoch, step=logged.step, values=values)
        else:
            yield Measured(step=logged.step, epoch=self._epoch, values=values)

    def sample(self, step: int, values: Mapping[str, float]) -> Iterator[Event]:
        """The events of a sample of the process at a step."""
        for name in values:
            if name not in self._taken:
                self._taken[name] = name
                yield SAMPLED[name]
        if values:
            yield Measured(step=step, epoch=self._epoch, values=values)

    def _named(self, theirs: str) -> MetricName | None:
        """Our name for a metric, unless another one of the run has it already; None if there are too many."""
        if len(self._names) >= MOST_METRICS:
            self.complaints["many"] = f"only the first {MOST_METRICS} metrics are recorded"
            return None
        cut = theirs[:LONGEST_NAME].strip() or "unnamed"
        name = our_metric(cut)
        if self._taken.get(name.name, theirs) != theirs:
            name = MetricName(cut)
        while name.name in self._taken and self._taken[name.name] != theirs:
            name = MetricName(f"{name.name[: LONGEST_NAME - 1]}_", name.factor)
        self._taken[name.name] = theirs
        if name.name.startswith("validation_"):
            self._validating.add(name.name)
        return name

    def _read(self, theirs: str, number: Callable[[], float]) -> float | None:
        """The number of a value on a device; None if it cannot be had, which is said."""
        try:
            return float(number())
        except Exception as error:  # noqa: BLE001  a library of others
            self.complaints.setdefault(f"read {theirs}", f"{theirs} is not recorded: {said(error)}")
            return None

    def _doubt(self, theirs: str, value: float) -> None:
        self.complaints.setdefault(
            f"percent {theirs}",
            f"{theirs} is {value:g}: an accuracy is a fraction here, so it is shown as {value:.0%}; log {theirs} / 100",
        )

    def _order(self, step: int) -> None:
        if self._last is not None and step < self._last:
            self.complaints.setdefault(
                "order", f"step {step} came after step {self._last}: it is kept, and drawn in order"
            )
        self._last = step
