"""Standing: the words for how a run stands, and what rules have said of it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar

State = Literal[
    "queued", "starting", "running", "stalled", "pausing", "paused", "stopping",
    "finished", "pruned", "stopped", "failed", "out of memory", "killed", "lost", "damaged",
]  # fmt: skip
ENDED: frozenset[str] = frozenset(
    {"finished", "pruned", "stopped", "failed", "out of memory", "killed", "lost", "damaged"}
)
"""States that only a resume can change."""


class GivenAdvice(NamedTuple):
    """What a rule said of a run at a step; see `Advised`."""

    level: Literal["note", "warning", "alarm"]
    rule: str
    step: int
    text: str
    command: str = ""


class ListedRun(Protocol):
    """A run in a list."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def ended(self) -> bool:
        """Whether it can only go on by a resume."""

    @property
    def state(self) -> State | None:
        """Its state; None while that is not known."""

    @property
    def created(self) -> float:
        """When it was created, in seconds since 1970."""

    @property
    def place(self) -> float:
        """Its place in the queue."""


Listed = TypeVar("Listed", bound=ListedRun)


def as_they_go(runs: Sequence[Listed]) -> list[Listed]:
    """What trains first, then the queue from its head, then what has ended, the newest first. runs: newest first."""
    training = [run for run in runs if not run.ended and run.state != "queued"]
    queued = [run for run in runs if run.state == "queued"]
    queued.sort(key=lambda run: (run.place, run.created, run.id))
    return [*training, *queued, *(run for run in runs if run.ended)]
