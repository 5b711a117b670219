"""Asking: what a search tries next, drawn by Optuna from what the trials before it gave.

Each draw has a generator of its own, seeded with the seed of the search and the number of the trial: a search that was
interrupted draws what it would have drawn, and a trial that was deleted is drawn again. What does not go together, or was
drawn before, is drawn anew.
"""

import hashlib
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from revconsole.errors import ProfileError, WrongState
from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.search.replay import replayed
from revconsole.records.search.trials import SearchTrial
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.search import Dimension, Scalar, SearchTable

if TYPE_CHECKING:
    import optuna

MOST_DRAWS = 100
"""Draws for one trial before what has not been tried is looked for in order."""
MOST_LOOKED_AT = 10_000
"""Most combinations that are looked at in order."""


def asked(planned: PlannedSearch, number: int, runs: Sequence[SearchTrial]) -> Plan:
    """The plan of trial `number`, by what is known of the trials with lower numbers; higher ones are not looked at.

    Raises NotLoaded without Optuna, and WrongState if nothing is left to try.
    """
    before = [run for run in runs if run.trial.number < number]
    tried = {run.summary.plan.digest() for run in runs if run.trial.number != number}
    for draw in range(MOST_DRAWS):
        plan = _possible(planned, number, _drawn(planned, number, before, draw))
        if plan is not None and plan.digest() not in tried:
            return plan
    for values in _in_order(planned.search):
        plan = _possible(planned, number, values)
        if plan is not None and plan.digest() not in tried:
            return plan
    raise WrongState(
        f"every combination of {planned.study.name} has been tried, {len(tried)} of {planned.search.trials} trials; "
        f"widen [search.space], or write trials = {len(tried)}"
    )


def _drawn(
    planned: PlannedSearch, number: int, before: Sequence[SearchTrial], draw: int
) -> dict[str, Scalar]:
    ranges = distributions(planned.search)
    known = replayed(planned.like, planned.epochs, before, ranges)
    while len(known.study.trials) < number:  # the numbers of trials that were deleted
        known.study.tell(known.study.ask(), state=_failed())
    known.study.sampler = _sampler(planned.search, number, draw)
    trial = known.study.ask(ranges)
    return {key: trial.params[key] for key in ranges}


def _failed() -> "optuna.trial.TrialState":
    from optuna.trial import TrialState

    return TrialState.FAIL


def distributions(search: SearchTable) -> dict[str, Any]:
    """The space in the words of Optuna. Raises NotLoaded."""
    return {each.key: _distribution(each) for each in search.space}


def _distribution(each: Dimension) -> "optuna.distributions.BaseDistribution":
    with optuna_loaded():
        from optuna import distributions as of_optuna
    if each.choices:
        return of_optuna.CategoricalDistribution(each.choices)
    low, high = each.extremes
    if each.whole:
        return of_optuna.IntDistribution(
            int(low), int(high), log=each.log, step=int(each.step or 1)
        )
    return of_optuna.FloatDistribution(float(low), float(high), log=each.log, step=each.step)


def _sampler(search: SearchTable, number: int, draw: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    digest = hashlib.sha256(f"{search.seed}:{number}:{draw}".encode()).digest()
    seed = int.from_bytes(digest[:4])
    if search.method == "random":
        return samplers.RandomSampler(seed=seed)
    return samplers.TPESampler(seed=seed)


def _possible(planned: PlannedSearch, number: int, values: dict[str, Scalar]) -> Plan | None:
    """The plan with these values; None if they do not go together."""
    try:
        return planned.trial(number, values)
    except ProfileError:
        return None


def _in_order(search: SearchTable) -> "Sequence[dict[str, Scalar]]":
    """The combinations of a space that has few; none of any other."""
    if search.combinations > MOST_LOOKED_AT:
        return []
    every = [_values(each) for each in search.space]
    keys = [each.key for each in search.space]
    return [dict(zip(keys, values, strict=True)) for values in product(*every)]


def _values(each: Dimension) -> list[Scalar]:
    if each.choices:
        return [*each.choices]
    numbers = [each.low + n * (each.step or 1) for n in range(int(each.count))]
    return [int(n) if each.whole else float(n) for n in numbers]
