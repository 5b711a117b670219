"""RunReader: whatever reads one run as it grows; `Tail` reads one of a store, others those that only lie beside it."""

from typing import Protocol

from revconsole.records.logs.events import EpochFinished
from revconsole.records.runs.run import Run, Summary


class RunReader(Protocol):
    """A reader of one run, for one thread."""

    def summary(self) -> Summary:
        """The present table row of the run."""

    def run(self) -> Run:
        """The run with every point and its log lines."""

    @property
    def epochs(self) -> tuple[EpochFinished, ...]:
        """The epochs that the run has finished, as of the last call of `summary` or `run`."""


class OtherRuns(Protocol):
    """Runs that are listed with those of a store and only read; see `records.foreign.others`. Thread-safe."""

    def rows(self) -> list[Summary]:
        """The rows of all of them."""

    def follow(self, run_id: str, *, series: bool) -> RunReader | None:
        """A reader of one of them; None if it is none of them."""

    def refuse(self, run_id: str) -> None:
        """Raise OnlyRead if the run is one of them."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences on what could not be searched."""
