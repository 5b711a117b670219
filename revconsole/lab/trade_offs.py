"""Trade-offs: the runs that no other run beats in accuracy and cost at once (the Pareto front)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from revconsole.lab.format import memory_unit
from revconsole.records.runs.run import Summary

COSTS: dict[str, Callable[[Summary], float | None]] = {
    "memory kept for backward": lambda run: run.kept_for_backward_bytes,
    "training time": lambda run: run.seconds or None,
}
"""What an accuracy costs, by its name in a sentence."""
MOST_NAMED = 6
LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the smallest cost above which its axis is logarithmic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Test accuracy against a cost: a point for each run that has ended and has both.

    points: id, cost in `unit`, accuracy in percent. front: the ids of the runs that no other run beats, cheapest first.
    """

    cost: str
    unit: str
    points: tuple[tuple[str, float, float], ...]
    front: tuple[str, ...]
    logarithmic: bool = False
    """Whether the costs differ by so much that their axis is logarithmic."""

    @property
    def steps(self) -> tuple[tuple[float, float], ...]:
        """The places of the front, cheapest first."""
        places = {run_id: (x, y) for run_id, x, y in self.points}
        return tuple(places[run_id] for run_id in self.front)


def front(runs: Sequence[Summary], cost: Callable[[Summary], float | None]) -> tuple[Summary, ...]:
    """The tested runs for which no other is as accurate at less cost, or more accurate at as little; cheapest first."""
    known = [
        (spent, -run.test_accuracy, run)
        for run in runs
        if run.ended and run.test_accuracy is not None and (spent := cost(run)) is not None
    ]
    least, last, chosen = math.inf, (0.0, 0.0), []
    for spent, error, run in sorted(known, key=lambda each: each[:2]):
        if error < least or (spent, error) == last:  # as good in both as the one before
            least, last = error, (spent, error)
            chosen.append(run)
    return tuple(chosen)


def scatters(runs: Sequence[Summary]) -> tuple[Scatter, ...]:
    """Accuracy against each cost in which the tested runs differ; nothing for fewer than two of them."""
    return tuple(
        found for name, cost in COSTS.items() if (found := _scatter(runs, name, cost)) is not None
    )


def _scatter(
    runs: Sequence[Summary], name: str, cost: Callable[[Summary], float | None]
) -> Scatter | None:
    known = [
        (run.id, spent, 100 * run.test_accuracy)
        for run in runs
        if run.ended and run.test_accuracy is not None and (spent := cost(run)) is not None
    ]
    costs = [spent for _, spent, _ in known]
    if len(set(costs)) < 2:
        return None
    each, unit = (1, "s") if cost is COSTS["training time"] else memory_unit(max(costs))
    return Scatter(
        cost=name,
        unit=unit,
        points=tuple((run_id, spent / each, accuracy) for run_id, spent, accuracy in known),
        front=tuple(run.id for run in front(runs, cost)),
        logarithmic=0 < min(costs) * LOGARITHMIC_FROM < max(costs),
    )


def sentences(runs: Sequence[Summary], called: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each cost, if the runs differ in it and some run is beaten. called: what each run is called, by its id."""
    for name, cost in COSTS.items():
        best = front(runs, cost)
        compared = [run for run in runs if run.ended and run.test_accuracy is not None]
        if len(compared) > 2 and 0 < len(best) < len(compared) and _differ(compared, cost):
            shown = ", ".join(called[run.id] for run in best[:MOST_NAMED])
            more = f" and {len(best) - MOST_NAMED} more" if len(best) > MOST_NAMED else ""
            yield f"test accuracy against {name}, no other run is better in both: {shown}{more}"


def _differ(runs: Sequence[Summary], cost: Callable[[Summary], float | None]) -> bool:
    return len({cost(run) for run in runs} - {None}) > 1
