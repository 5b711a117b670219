"""Replay: the trials of a search told to Optuna anew, as if it had watched them; Optuna itself keeps nothing.

So the same runs always give the same draw and the same judgement, whatever process asks, and nothing has to be kept in
step with the run folders. A thousand trials take half a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.trials import SearchTrial
from revconsole.records.sections.trial import Trial
from revconsole.records.settings.search import ETA

if TYPE_CHECKING:
    import optuna


def judged_at(trial: Trial, epochs: int) -> tuple[int, ...]:
    """The epochs after which a trial of so many epochs may be stopped early."""
    found, epoch = [], trial.stop_from
    while trial.stop_early != "none" and epoch < epochs:
        found.append(epoch)
        epoch *= ETA
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A study of Optuna in memory, and its trials by number."""

    study: "optuna.Study"
    trials: "Mapping[int, optuna.Trial]"


def replayed(
    like: Trial,
    epochs: int,
    runs: Sequence[SearchTrial],
    distributions: Mapping[str, Any] | None = None,
) -> Replayed:
    """The trials, each under its own number; a number that is missing has failed.

    like: any trial of the search. epochs: of a whole trial. distributions: what is drawn, where that matters. Raises NotLoaded.
    """
    with optuna_loaded():
        import optuna
    study = optuna.create_study(
        study_name=like.search,
        direction="maximize" if like.higher else "minimize",
        pruner=pruner(like, epochs),
        sampler=optuna.samplers.RandomSampler(seed=0),  # draws nothing: all values are given
    )
    known = {run.trial.number: run for run in runs}
    trials: dict[int, optuna.Trial] = {}
    for number in range(max(known, default=-1) + 1):
        if number in known:
            trials[number] = _replay(study, known[number], epochs, distributions)
        else:
            study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    return Replayed(study, trials)


def _replay(
    study: "optuna.Study", run: SearchTrial, epochs: int, distributions: Mapping[str, Any] | None
) -> "optuna.Trial":
    from optuna.trial import TrialState

    if distributions:
        study.enqueue_trial({key: run.trial.values[key] for key in distributions})
    trial = study.ask(dict(distributions) if distributions else None)
    report(trial, run.reached, judged_at(run.trial, epochs))
    if run.summary.state == "pruned":
        study.tell(trial, state=TrialState.PRUNED)
    elif run.summary.state == "finished" and run.best is not None:
        study.tell(trial, run.best)
    elif run.summary.ended:
        study.tell(trial, state=TrialState.FAIL)
    return trial


def report(trial: "optuna.Trial", reached: Mapping[int, float], epochs: Sequence[int]) -> bool:
    """Tell Optuna the values at these epochs, as far as they are known; returns its judgement at the last of them."""
    stopped = False
    for epoch in epochs:
        if epoch in reached:
            trial.report(reached[epoch], epoch)
            stopped = trial.should_prune()
    return stopped


def pruner(like: Trial, epochs: int) -> "optuna.pruners.BasePruner":
    """The rule of Optuna by which trials are stopped early."""
    from optuna import pruners

    match like.stop_early:
        case "halving":
            return pruners.SuccessiveHalvingPruner(
                min_resource=like.stop_from, reduction_factor=ETA
            )
        case "hyperband":
            return pruners.HyperbandPruner(
                min_resource=like.stop_from, max_resource=epochs, reduction_factor=ETA
            )
        case _:
            return pruners.NopPruner()
