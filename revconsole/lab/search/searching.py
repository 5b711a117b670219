"""Searching: how far a search is: its trials, the best of them, the repeats of that, and what is left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.lab.lab import Lab
from revconsole.lab.study import Standing
from revconsole.records.printable import plural
from revconsole.records.runs.run import Summary
from revconsole.records.search.early import shown
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.search.trials import SearchTrial, TrialReader, best_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStanding:
    """How far a search is: its trials that have been made, in order, and the repeats of the best so far."""

    planned: PlannedSearch
    trials: tuple[SearchTrial, ...]
    repeats: tuple[Standing, ...] = ()

    @property
    def best(self) -> SearchTrial | None:
        """The trial with the best value that trained to its end, the first of equals; None before there is one."""
        return best_of(self.trials)

    @property
    def done(self) -> int:
        """How many of all runs have ended well, those that were stopped early included."""
        return sum(run.settled for run in self.trials) + sum(
            each.progress == "done" for each in self.repeats
        )

    @property
    def total(self) -> int:
        """How many runs there will be."""
        return self.planned.search.trials + self.planned.search.repeat_best

    @property
    def standings(self) -> tuple[Standing, ...]:
        """All runs that have been made or are known."""
        runs = [Standing(plan=run.summary.plan, summary=run.summary) for run in self.trials]
        return (*runs, *self.repeats)

    @property
    def arms(self) -> dict[str, dict[int, Standing]]:
        """The runs by seed, of each trial by its number and what was drawn, then of the best by its number."""
        found = {
            f"{run.trial.number}: {drawn_words(run)}": {
                run.summary.plan.seed: Standing(plan=run.summary.plan, summary=run.summary)
            }
            for run in self.trials
        }
        repeats = {each.plan.seed: each for each in self.repeats}
        return found | ({self.repeats[0].plan.arm: repeats} if self.repeats else {})

    @property
    def sentence(self) -> str:
        """How many trials there are, how they ended, and the best so far."""
        states = [run.summary.state for run in self.trials]
        counts = {word: states.count(word) for word in dict.fromkeys(states)}
        ended = [
            f"{n} {'trained to the end' if word == 'finished' else word}"
            for word, n in counts.items()
        ]
        parts = [f"{len(states)} of {plural(self.planned.search.trials, 'trial')}", *ended]
        if self.best is not None and self.best.best is not None:
            goal = self.planned.like.goal
            parts.append(
                f"best {goal.words} {shown(goal, self.best.best)} (trial {self.best.trial.number})"
            )
        if again := sum(each.progress == "done" for each in self.repeats):
            parts.append(f"repeated with {again} of {plural(len(self.repeats), 'seed')}")
        return ", ".join(parts)


def drawn_words(run: SearchTrial) -> str:
    """What was drawn for a trial, numbers with four digits."""
    values = run.trial.values.items()
    return ", ".join(f"{key.rpartition('.')[2]} {value_words(value)}" for key, value in values)


def value_words(value: object) -> str:
    """A drawn value as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Searching:
    """A search of one lab, as the store tells of it."""

    def __init__(self, lab: Lab, planned: PlannedSearch) -> None:
        self._lab, self.planned = lab, planned
        self._reader = TrialReader(lab.store, planned.like)

    def standing(self, runs: Sequence[Summary] | None = None) -> SearchStanding:
        """How far the search is. runs: those of the store, if already read."""
        trials = self._reader.read(range(self.planned.search.trials))
        best = best_of(trials)
        repeats = self.planned.repeats(best.summary.plan) if best else ()
        known = self._lab.store.list() if runs is None else runs
        return SearchStanding(
            planned=self.planned,
            trials=trials,
            repeats=self._lab.standings_of(repeats, known) if repeats else (),
        )

    def to_go_on_with(self) -> list[Standing]:
        """The runs that were begun and have not ended well: trials, and once none is left, repeats of the best."""
        now = self.standing()
        trials = now.standings[: len(now.trials)]
        unfinished = [each for each in trials if each.progress == "interrupted"]
        settled = len(now.trials) == self.planned.search.trials and not unfinished
        repeats = [each for each in now.repeats if each.progress == "interrupted"]
        return unfinished or (repeats if settled else [])

    def seconds_at_most(
        self, *, measure: bool = False, at_once: int = 1
    ) -> tuple[int, float | None]:
        """(runs left, seconds for all of them), as if every one were as long as the longest known and none stopped early.

        at_once: how many train at the same time, each as fast as alone.

        Known are the trials so far; before there is one, earlier runs of the kinds at the ends of the space and, with
        `measure`, a few steps of each. None is unknown.
        """
        now = self.standing()
        known = [run.summary.seconds for run in now.trials if run.summary.state == "finished"]
        for plan in () if known else self.planned.kinds:
            forecast = self._lab.forecast(self._lab.standings_of([plan], ()), measure=measure)
            known += [] if forecast.unknown else [forecast.seconds]
        left = now.total - now.done
        return left, math.ceil(left / at_once) * max(known) if known else None
