"""Trials: the runs of a search, as their folders tell of them; nothing else is kept of a search."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from revconsole.errors import NoSuchRun
from revconsole.records.criterion import Criterion
from revconsole.records.logs.events import EpochFinished
from revconsole.records.runs.run import Summary
from revconsole.records.runs.run_reader import RunReader
from revconsole.records.runs.store import RunStore, id_of_trial
from revconsole.records.sections.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrial:
    """A trial and its run. reached: the best value of the goal up to each epoch."""

    trial: Trial
    summary: Summary
    reached: Mapping[int, float]

    @property
    def best(self) -> float | None:
        """The best value of the goal over all epochs; None before the first."""
        return self.reached[max(self.reached)] if self.reached else None

    @property
    def settled(self) -> bool:
        """Whether nothing is left of it: it trained to its end, or was stopped early."""
        return self.summary.state in {"finished", "pruned"}


def best_of(trials: Sequence[SearchTrial]) -> SearchTrial | None:
    """The finished trial with the best value, the first of equals."""
    finished = [t for t in trials if t.summary.state == "finished" and t.best is not None]
    return max(finished, key=lambda t: t.trial.goal.score(t.best or 0.0), default=None)


class TrialReader:
    """Reads the trials of a search again and again, only what is new of each."""

    def __init__(self, store: RunStore, like: Trial) -> None:
        """The trials of the search that `like` belongs to."""
        self._store, self._like = store, like
        self._tails: dict[int, RunReader] = {}
        self._ids: dict[int, str] = {}

    def read(self, numbers: Iterable[int]) -> tuple[SearchTrial, ...]:
        """The trials that have been made, of these numbers, in order. Raises StoreError if the store cannot be read."""
        there = self._store.ids()
        made = [(n, run_id) for n in numbers if (run_id := self._id(n)) in there]
        return tuple(found for each in made if (found := self._read(*each)) is not None)

    def next_number(self, count: int) -> int | None:
        """The lowest number below `count` of which there is no run, whether it can be read or not; None if there is none."""
        there = self._store.ids()
        return next((n for n in range(count) if self._id(n) not in there), None)

    def _id(self, number: int) -> str:
        if number not in self._ids:
            self._ids[number] = id_of_trial(self._like.search, number)
        return self._ids[number]

    def _read(self, number: int, run_id: str) -> SearchTrial | None:
        try:
            if number not in self._tails:
                self._tails[number] = self._store.follow(run_id, series=False)
        except NoSuchRun:
            self._tails.pop(number, None)
            return None
        summary = self._tails[number].summary()
        trial = summary.plan.trial
        if trial is None or trial.search != self._like.search:
            return None
        return SearchTrial(
            trial=trial, summary=summary, reached=reached(self._tails[number].epochs, trial.goal)
        )


def reached(epochs: Iterable[EpochFinished], goal: Criterion) -> dict[int, float]:
    """The best value of a goal up to each epoch that has one; what is not finite counts as the worst."""
    best, found = -math.inf, {}
    for each in epochs:
        if goal.metric not in each.values:
            continue
        score = goal.score(each.values[goal.metric])
        best = max(best, score if math.isfinite(score) else -math.inf)
        found[each.epoch] = goal.score(best)
    return found
