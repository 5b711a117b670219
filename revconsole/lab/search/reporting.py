"""Reporting: the results of a search, from its runs; what mattered is computed by Optuna's fANOVA."""

from collections.abc import Sequence

from revconsole.errors import WrongState
from revconsole.lab.lab import Lab
from revconsole.lab.report.results import Results, of_search
from revconsole.lab.report.search_results import Importance, SearchResults, TrialRow
from revconsole.lab.search.searching import Searching
from revconsole.records.search.asking import distributions
from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.search.trials import SearchTrial


def reported(lab: Lab, planned: PlannedSearch) -> Results:
    """The best of a search with its repeats, and all trials. Raises WrongState if no trial has trained to its end."""
    now = Searching(lab, planned).standing()
    name = planned.study.name
    if now.best is None:
        raise WrongState(
            f"no trial of the search {name} has trained to its end; `revconsole study run {name}` trains it"
        )
    repeats = [each.summary.id for each in now.repeats if each.summary and each.progress == "done"]
    runs = [lab.store.read(run_id) for run_id in repeats or [now.best.summary.id]]
    search = planned.search
    found = SearchResults(
        goal=planned.like.goal,
        method=search.method,
        seed=search.seed,
        stop_early=search.stop_early,
        planned=search.trials,
        best=now.best.trial.number,
        rows=tuple(_row(trial) for trial in now.trials),
        importance=importance(planned, now.trials),
        repeats=len(repeats),
    )
    return of_search(name, planned.study.facts.title, found, runs)


def importance(planned: PlannedSearch, trials: Sequence[SearchTrial]) -> Importance | None:
    """What share of the variance each setting explains after the last epoch that all ended trials have; None if that is unknown.

    Trials that were stopped early count as well, at an epoch at which all are as long. Raises NotLoaded.
    """
    with optuna_loaded():
        import optuna
    ended = [trial for trial in trials if trial.settled and trial.reached]
    epoch = min((max(trial.reached) for trial in ended), default=0)
    values = [trial.reached[epoch] for trial in ended if epoch in trial.reached]
    if len(set(values)) < 2:
        return None
    ranges = distributions(planned.search)
    study = optuna.create_study(direction="maximize" if planned.like.higher else "minimize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(trial.trial.values), distributions=ranges, value=trial.reached[epoch]
            )
            for trial in ended
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return Importance(shares=shares, epoch=epoch, trials=len(ended))


def _row(trial: SearchTrial) -> TrialRow:
    return TrialRow(
        number=trial.trial.number,
        values=trial.trial.values,
        state=trial.summary.state,
        epoch=trial.summary.epoch,
        epochs=trial.summary.plan.epochs,
        reached=trial.best,
    )
