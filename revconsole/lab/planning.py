"""Planning: an experiment with overrides, and the runs it makes, completed by what the store and the disk tell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from revconsole.errors import ProfileError
from revconsole.lab import again as repeating
from revconsole.lab import lengths, starts
from revconsole.lab import study as studies
from revconsole.records.runs.store import RunStore
from revconsole.records.sections import KINDS
from revconsole.records.settings import complaints, layer, search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.study import Arm, Study, UnfitChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An experiment with its overrides, and every run it makes."""

    study: Study
    settings: Mapping[str, Any]
    plans: tuple[Plan, ...]

    def only(self, plans: Sequence[Plan]) -> "Planned":
        """The experiment with some of its runs."""
        return replace(self, plans=tuple(plans))

    def given(self, plan: Plan) -> Mapping[str, Any]:
        """The profile that a run is kept with: as it was given, or of the run alone where it is an arm of a study's own."""
        if self.study.tables:
            return studies.own_profile(plan)
        return self.study.profile.overridden(self.settings).merged()

    def set_in(self, key: str) -> str:
        """The file, or the command line, that a key was set in."""
        typed = layer.typed(self.settings, COMMAND_LINE)
        return COMMAND_LINE if key in typed.fixed.keys() | typed.varied.keys() else self.study.where


def partly(settings: Mapping[str, Any], plans: Sequence[Plan]) -> list[str]:
    """A sentence for each setting that only some of the runs have, as a gamma beside scheme residual and momentum."""
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
                f"{key} is of {len(plans) - len(lacking)} of {len(plans)} runs: {reason}"
            )
    return sentences


def planned(profile: str, settings: Mapping[str, Any], store: RunStore) -> Planned:
    """What an experiment with overrides would run. Raises ProfileError or UnknownName."""
    return _made(search_path.find(profile), settings, store)


def again(plan: Plan, settings: Mapping[str, Any], store: RunStore) -> Planned:
    """What a run would be once more: exactly its settings, with overrides. Raises ProfileError."""
    return _made(repeating.experiment(plan, settings), settings, store)


def _made(found: Study, settings: Mapping[str, Any], store: RunStore) -> Planned:
    made = Planned(study=found, settings=settings, plans=found.plans(settings))
    plans = [_completed(plan, found.where, store, made.set_in) for plan in made.plans]
    return replace(made, plans=tuple(plans))


def models(
    profile: str, settings: Mapping[str, Any] | None, store: RunStore
) -> tuple[Plan | UnfitChoice, ...]:
    """What an experiment would train, what cannot be planned beside it; see `Lab.models`."""
    found = search_path.find(profile)

    def looked_at(each: Plan | UnfitChoice) -> Plan | UnfitChoice:
        if isinstance(each, UnfitChoice):
            return each
        try:
            return _completed(each, found.where, store)
        except ProfileError as error:
            return UnfitChoice(name=each.name, error=error)

    return tuple(looked_at(each) for each in found.models(settings))


def completed_arm(arm: Arm, where: str, store: RunStore) -> Arm:
    """An arm of a study, every plan completed. where: what to correct. Raises ProfileError or DataUnavailable."""
    return replace(arm, plans=tuple(_completed(plan, where, store) for plan in arm.plans))


def _completed(
    plan: Plan, where: str, store: RunStore, set_in: Callable[[str], str] | None = None
) -> Plan:
    """The plan with the run that it starts from, and the images of its folder counted where it needs them."""
    resolved = starts.resolved(plan, store, where=where)
    return lengths.counted_steps(resolved, set_in=set_in or (lambda _: where))
