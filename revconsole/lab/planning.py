"""Planning: the runs of an experiment with overrides, completed with facts from the store and the disk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from revconsole.errors import ProfileError
from revconsole.lab import again as repeating
from revconsole.lab import starts
from revconsole.lab import study as studies
from revconsole.lab.search.kinds import named_kinds
from revconsole.records.datasets.counts import counted, in_folder
from revconsole.records.runs.store import RunStore
from revconsole.records.sections import KINDS
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import complaints, layer, rank_rules, search_path
from revconsole.records.settings.plan import Plan, check_length
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.study import Arm, Study, UnfitChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An experiment with its overrides, and all its runs."""

    study: Study
    settings: Mapping[str, Any]
    plans: tuple[Plan, ...]

    def only(self, plans: Sequence[Plan]) -> "Planned":
        """The experiment with only these runs."""
        return replace(self, plans=tuple(plans))

    def given(self, plan: Plan) -> Mapping[str, Any]:
        """The profile stored with a run: the given one, or for an arm of a study a profile of the run alone."""
        if self.study.tables:
            return studies.own_profile(plan)
        return self.study.profile.overridden(self.settings).merged()

    def set_in(self, key: str) -> str:
        """The file, or the command line, in which a key was set."""
        typed = layer.typed(self.settings, COMMAND_LINE)
        return COMMAND_LINE if key in typed.fixed.keys() | typed.varied.keys() else self.study.where


def partly(settings: Mapping[str, Any], plans: Sequence[Plan]) -> list[str]:
    """A sentence for each setting that applies to only some of the runs, such as gamma for residual and momentum."""
    typed = layer.typed(settings, COMMAND_LINE)
    sentences = []
    for key in (*typed.fixed, *typed.varied):
        section, _, name = key.partition(".")
        if not name or section not in KINDS:
            continue
        lacking = [plan for plan in plans if not hasattr(getattr(plan, section), name)]
        kinds = [str(getattr(getattr(plan, section), KINDS[section][0])) for plan in lacking]
        if lacking:
            reason = complaints.without(key, list(dict.fromkeys(kinds)))
            sentences.append(
                f"{key} applies to {len(plans) - len(lacking)} of {len(plans)} runs: {reason}"
            )
    return sentences


def planned(profile: str, settings: Mapping[str, Any], store: RunStore) -> Planned:
    """The runs of an experiment with overrides. Raises ProfileError or UnknownName."""
    return _made(search_path.find(profile), settings, store)


def again(plan: Plan, settings: Mapping[str, Any], store: RunStore) -> Planned:
    """A run with exactly its settings and the overrides, as a new run. Raises ProfileError."""
    return _made(repeating.experiment(plan, settings), settings, store)


def _made(study: Study, settings: Mapping[str, Any], store: RunStore) -> Planned:
    experiment = Planned(study=study, settings=settings, plans=study.plans(settings))
    plans = [completed(plan, study.where, store, experiment.set_in) for plan in experiment.plans]
    return replace(experiment, plans=tuple(plans))


def models(
    profile: str, settings: Mapping[str, Any] | None, store: RunStore
) -> tuple[Plan | UnfitChoice, ...]:
    """The plans of an experiment and the choices that cannot be planned; see `Lab.models`. Of a search the ends of its space."""
    experiment = search_path.find(profile)

    def looked_at(each: Plan | UnfitChoice) -> Plan | UnfitChoice:
        if isinstance(each, UnfitChoice):
            return each
        try:
            return completed(each, experiment.where, store)
        except ProfileError as error:
            return UnfitChoice(name=each.name, error=error)

    if experiment.search is not None:
        return tuple(looked_at(each) for each in named_kinds(experiment, settings))
    return tuple(looked_at(each) for each in experiment.models(settings))


def completed_arm(arm: Arm, where: str, store: RunStore) -> Arm:
    """An arm of a study with every plan completed. where: the file to correct. Raises ProfileError or DataUnavailable."""
    return replace(arm, plans=tuple(completed(plan, where, store) for plan in arm.plans))


def completed(
    plan: Plan, where: str, store: RunStore, set_in: Callable[[str], str] | None = None
) -> Plan:
    """The plan with its ranks counted, the run it starts from, and the counted images of its folder if it needs them."""
    named = set_in or (lambda _: where)
    resolved = starts.resolved(_with_ranks(plan, named), store, where=where)
    return counted_steps(resolved, set_in=named)


def _with_ranks(plan: Plan, set_in: Callable[[str], str]) -> Plan:
    """The plan with a number in place of `train.gpus = "all"`. Raises ProfileError."""
    if plan.train.gpus != "all":
        return plan
    try:
        ranks = rank_rules.counted(plan)
        train = plan.train.model_dump(exclude_unset=True) | {"gpus": ranks}
        return Plan.model_validate(plan.model_dump() | {"train": train})
    except Rule as rule:
        raise ProfileError(set_in(rule.key), rule.key, str(rule)) from None
    except ValidationError as error:
        key, sentence = complaints.every(error, plan.model_dump())[0]
        raise ProfileError(set_in(key), key, sentence) from None


def counted_steps(plan: Plan, *, set_in: Callable[[str], str]) -> Plan:
    """The plan with the images of its folder counted, if its length or warm-up is in steps; else the plan itself.

    set_in: the file or the command line in which a key was set. Raises ProfileError for a warm-up as long as the training, and
    DataUnavailable for a folder that cannot be read as a dataset.
    """
    in_steps = plan.train.steps is not None or getattr(plan.schedule, "warmup_steps", None)
    if not in_steps or not in_folder(plan.data):
        return plan
    counted_plan = plan.model_copy(update={"folder_images": counted(plan.data).trained})
    try:
        check_length(counted_plan)
    except Rule as rule:
        raise ProfileError(set_in(rule.key), rule.key, str(rule)) from None
    return counted_plan
