"""Planning: the runs of an experiment with overrides, completed with facts from the store and the disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from revconsole.errors import ProfileError
from revconsole.lab import again as repeating
from revconsole.records.runs.completed import completed
from revconsole.records.runs.store import RunStore
from revconsole.records.search.kinds import named_kinds
from revconsole.records.sections import KINDS
from revconsole.records.settings import complaints, layer, search_path
from revconsole.records.settings.own_profile import own_profile
from revconsole.records.settings.plan import Plan
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
            return own_profile(plan)
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
