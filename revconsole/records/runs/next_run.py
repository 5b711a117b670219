"""Next run: what a worker trains next, of the runs of a study that several workers share, on whatever machines.

Nobody deals the runs out. A run belongs to the worker that claims it (see `attempt`), and one whose process is gone
without an end is taken again: at most `MOST_AGAIN` times, and not if the next process would end the same way.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import state
from revconsole.records.runs.store import RunStore

MOST_AGAIN = 2
"""How often a run is taken again after its process was killed or its machine was lost."""


class Line(Protocol):
    """The runs that a worker may take, whoever decides which these are."""

    def open(self) -> Sequence[tuple[str, int]]:
        """Ids of the runs that may be taken now, each with the attempt to claim, in order; empty if there is none."""

    def more_to_come(self) -> bool:
        """Whether others may follow although none can be taken now."""


class OwnLine:
    """Runs that one worker has for itself. runs: each with the attempt to claim."""

    def __init__(self, runs: Sequence[tuple[str, int]]) -> None:
        self._runs = runs

    def open(self) -> Sequence[tuple[str, int]]:
        """All of them; whoever claims one does not try it again."""
        return self._runs

    def more_to_come(self) -> bool:
        """No: all are known."""
        return False


class SharedLine:
    """The runs that several workers take from, as one worker sees them. runs: each with the attempt that it begins with."""

    def __init__(self, store: RunStore, runs: Iterable[tuple[str, int]]) -> None:
        self._store, self._left = store, dict(runs)

    def open(self) -> list[tuple[str, int]]:
        """Ids of the runs that nobody has taken, or whose process was lost, each with the attempt to claim, in the order given."""
        found = [
            (run_id, attempt_to_take(self._store, run_id, first))
            for run_id, first in self._left.items()
        ]
        self._left = {run_id: self._left[run_id] for run_id, number in found if number is not None}
        return [(run_id, number) for run_id, number in found if number]

    def more_to_come(self) -> bool:
        """No: who trains a run that is lost takes it again itself, in a process anew."""
        return False


def attempt_to_take(store: RunStore, run_id: str, first: int) -> int | None:
    """The attempt as which a run may be taken: 0 while somebody trains it, None if it never may be again.

    first: the attempt with which those who may take it began.
    """
    folder = store.root / run_id
    if not os.path.lexists(attempts.log_path(folder, first).parent):
        return first if folder.is_dir() else None
    try:
        newest = attempts.numbers(folder)[-1]
    except (OSError, IndexError):  # it was deleted, or cannot be read now
        return 0 if folder.is_dir() else None
    match state.left_behind(folder, newest):
        case "trains":
            return 0
        case "lost" if newest - first < MOST_AGAIN:
            store.queue_again(run_id, newest + 1)
            return newest + 1
        case _:
            return None
