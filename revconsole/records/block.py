"""Block: many measurements of one attempt, metric by metric instead of line by line."""

from dataclasses import dataclass, field

from revconsole.records.columns import Column
from revconsole.records.events import EpochFinished, Measured

OF_STEPS = frozenset({"loss", "images_per_second"})
"""What training steps measure, one or both, and nothing else does."""
RECENT = 50
"""Steps from which the speed is judged for the ETA."""


@dataclass(slots=True)
class Block:
    """What consecutive `Measured` and `EpochFinished` events amount to.

    columns: the points of each metric, in the order in which the metrics came up. step: as far as these
    events say; the last word, if any of them was `Measured`. elapsed: of the latest. recent: (step, elapsed)
    of the last training steps.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    epochs: list[EpochFinished] = field(default_factory=list)
    measured: bool = False
    step: int = 0
    elapsed: float = 0.0
    recent: list[tuple[int, float]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there was no event."""
        return not (self.measured or self.epochs)

    def add(self, event: Measured | EpochFinished, elapsed: float) -> None:
        """Take the next event in. Raises what an array raises if it cannot hold a step or a value."""
        self.elapsed = max(self.elapsed, elapsed)
        if isinstance(event, Measured):
            self.measured, self.step = True, event.step
            if not OF_STEPS.isdisjoint(event.values):
                self.recent.append((event.step, elapsed))
        else:
            self.step = max(self.step, event.step)
            self.epochs.append(event)
        for name, value in event.values.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = Column()
            column.append(event.step, value)
