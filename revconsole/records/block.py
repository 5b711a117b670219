"""Block: many measurements of one attempt, metric by metric instead of line by line."""

from dataclasses import dataclass, field

from revconsole.records.columns import Column
from revconsole.records.events import EpochFinished, Measured

OF_STEPS = frozenset({"loss", "images_per_second"})
"""What training steps measure, one or both, and nothing else does."""
REPORTED = "resident_bytes"
"""What comes with the last step of each report, and with what is measured before the first step."""
PROBE = "probe_seconds"
"""How long a probe of the reversible backward took, which is no training."""

Mark = tuple[int, float]
"""A step, and the seconds since the attempt began."""


@dataclass(slots=True)
class Block:
    """What consecutive `Measured` and `EpochFinished` events amount to.

    columns: the points of each metric, in the order in which the metrics came up. step: as far as these
    events say; the last word, if any of them was `Measured`. elapsed: of the latest.

    For the clock: ends: elapsed at each of `epochs`. first_of_all: elapsed at the first event, whether it is of
    training, as all but a `Measured` of no step are, and whether it is `REPORTED`. probed: seconds. The first and latest report and the latest step since the last
    of `epochs`.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    epochs: list[EpochFinished] = field(default_factory=list)
    measured: bool = False
    step: int = 0
    elapsed: float = 0.0
    ends: list[float] = field(default_factory=list)
    first_of_all: tuple[float, bool, bool] | None = None
    probed: float = 0.0
    first_report: Mark | None = None
    latest_report: Mark | None = None
    latest_step: Mark | None = None

    @property
    def empty(self) -> bool:
        """Whether there was no event."""
        return not (self.measured or self.epochs)

    def add(self, event: Measured | EpochFinished, elapsed: float) -> None:
        """Take the next event in. Raises what an array raises if it cannot hold a step or a value."""
        self.elapsed = max(self.elapsed, elapsed)
        if isinstance(event, Measured):
            self.measured, self.step = True, event.step
            self._time(event, elapsed)
        else:
            self.step = max(self.step, event.step)
            self.first_of_all = self.first_of_all or (elapsed, True, False)
            self.epochs.append(event)
            self.ends.append(elapsed)
            self.first_report = self.latest_report = self.latest_step = None
        for name, value in event.values.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = Column()
            column.append(event.step, value)

    def _time(self, event: Measured, elapsed: float) -> None:
        values, mark = event.values, (event.step, elapsed)
        of_steps, reported = not OF_STEPS.isdisjoint(values), REPORTED in values
        if self.first_of_all is None:
            self.first_of_all = (elapsed, of_steps, reported)
        self.probed += values.get(PROBE, 0.0)
        if of_steps:
            self.latest_step = mark
        if of_steps and reported:
            self.first_report, self.latest_report = self.first_report or mark, mark
