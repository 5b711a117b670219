"""Planned search: a study with `[search]`, checked as one before anything is created."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.runs.completed import completed
from revconsole.records.runs.store import RunStore, id_of_trial
from revconsole.records.search.kinds import kinds
from revconsole.records.sections.trial import Trial
from revconsole.records.settings import search_path
from revconsole.records.settings.drawn import drawn, possible, search_of, with_settings
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.search import ETA, GOALS, Scalar, SearchTable
from revconsole.records.settings.study import Study

SHARE = ETA**2
"""A trial may be stopped after a ninth of its epochs at the earliest, unless the search says otherwise."""
LENGTHS = ("train.epochs", "train.steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSearch:
    """A search by name or path, full or quick, with settings of the command line. of_runs: those that are not of the search itself.

    like: the label of its trials. extremes: the runs at the ends of its space.
    """

    named: str
    study: Study
    settings: Mapping[str, Any]
    of_runs: Mapping[str, Any]
    quick: bool
    store: RunStore
    like: Trial
    extremes: tuple[Plan, ...]

    @property
    def search(self) -> SearchTable:
        """What is searched, and how."""
        return search_of(self.study)

    @property
    def epochs(self) -> int:
        """Epochs of a trial that is not stopped early."""
        return self.extremes[0].epochs

    @property
    def kinds(self) -> tuple[Plan, ...]:
        """Runs at the ends of the space that differ in what they cost; see `kinds`."""
        return kinds(self.extremes)

    def set_in(self, key: str) -> str:
        """The file, or the command line, in which a key was set."""
        return COMMAND_LINE if key in self.settings else self.study.where

    def trial(self, number: int, values: Mapping[str, Scalar]) -> Plan:
        """The run of a trial. Raises ProfileError if the values do not go together."""
        plan = drawn(self.study, values, self.of_runs, quick=self.quick, number=number)
        label = self.like.model_copy(update={"number": number, "values": dict(values)})
        return completed(plan.model_copy(update={"trial": label}), self.study.where, self.store)

    def id_of(self, plan: Plan) -> str:
        """The id that the run of a trial, or of a repeat of the best, has whoever creates it."""
        if plan.trial is not None:
            return id_of_trial(self.like.search, plan.trial.number)
        return id_of_trial(f"{self.like.search} {plan.digest()}", plan.seed)

    def repeats(self, best: Plan) -> tuple[Plan, ...]:
        """The best trial with other seeds, none of which has chosen anything, trained to the end."""
        return tuple(self._repeats(best))

    def _repeats(self, best: Plan) -> Iterator[Plan]:
        for seed in range(best.seed + 1, best.seed + 1 + self.search.repeat_best):
            form = ["quick"] if self.quick else []
            name = "-".join([self.study.name, *form, "best", f"s{seed}"])[-120:]
            new = {"name": name, "seed": seed, "arm": f"best, {best.arm}", "trial": None}
            yield best.model_copy(update=new)


def planned_search(
    name: str, settings: Mapping[str, Any], store: RunStore, *, quick: bool = False
) -> PlannedSearch:
    """The search of a study. Raises ProfileError, or UnknownName, for whatever could be wrong with any of its trials."""
    return planned_of(search_path.find(name, "study"), name, settings, store, quick=quick)


def planned_of(
    study: Study, named: str, settings: Mapping[str, Any], store: RunStore, *, quick: bool = False
) -> PlannedSearch:
    """The search of a study that was read or made. named: its name or path. Raises as `planned_search`."""
    study, rest = with_settings(study, settings)
    search = search_of(study)
    plans = [completed(plan, study.where, store) for plan in possible(study, rest, quick=quick)]
    metric = search.goal or plans[0].objective.best.metric
    _refuse_goal(metric, plans, study.where)
    stop_from = search.stop_from or max(1, plans[0].epochs // SHARE)
    _refuse_early(search, stop_from, plans, study.where)
    shared = plans[0].model_copy(update={"seed": plans[0].seed}).digest()
    like = Trial(
        search=search.digest(f"{shared} {metric} {stop_from}"),
        number=0,
        values={},
        seed=search.seed,
        metric=metric,
        higher=GOALS[metric],
        stop_early=search.stop_early,
        stop_from=stop_from,
    )
    return PlannedSearch(
        named=named,
        study=study,
        settings=settings,
        of_runs=rest,
        quick=quick,
        store=store,
        like=like,
        extremes=tuple(plans),
    )


def _refuse_goal(metric: str, plans: Sequence[Plan], where: str) -> None:
    """Raises ProfileError for a goal that some trial would not record, or that no image is held out for."""
    for plan in plans:
        recorded = _recorded(plan)
        if metric not in recorded:
            words = " or ".join(name.replace("_", " ") for name in recorded)
            raise ProfileError(
                where,
                "search.goal",
                f"{metric.replace('_', ' ')} is not recorded with objective {plan.objective.name}"
                f"{' and model svm' if plan.fitted else ''}; write {words}",
            )
        images = plan.data.train_limit or plan.folder_images or plan.shipped_images
        if images and not plan.data.held_out(images):
            raise ProfileError(
                where,
                "data.validation",
                f"{plan.data.validation:g} of {images} training images is none: nothing would tell trials apart but the "
                "test images, which may choose nothing; hold out more",
            )


def _recorded(plan: Plan) -> tuple[str, ...]:
    """The goals that a run records after each epoch."""
    labelled = plan.objective.name == "classification"
    accuracy = "validation_accuracy" if labelled else "knn_accuracy"
    return (accuracy,) if plan.fitted else (accuracy, "validation_loss")


def _refuse_early(search: SearchTable, stop_from: int, plans: Sequence[Plan], where: str) -> None:
    """Raises ProfileError for a rule that could stop no trial, or that would compare trials of unlike length."""
    if search.stop_early == "none":
        return
    epochs = {plan.epochs for plan in plans}
    lengths = [each.key for each in search.space if each.key in LENGTHS]
    if lengths or len(epochs) > 1:
        raise ProfileError(
            where,
            f"search.space.{lengths[0]}" if lengths else "search.space",
            "trials of unlike length are at unlike points of their schedules after the same epoch; leave it out, or "
            'write stop_early = "none"',
        )
    (length,) = epochs
    if stop_from >= length:
        raise ProfileError(
            where,
            "search.stop_from" if search.stop_from else "search.stop_early",
            f"a trial has {length} {'epoch' if length == 1 else 'epochs'}, so none is left to be saved after epoch "
            f'{stop_from}; train longer, or write stop_early = "none"',
        )
