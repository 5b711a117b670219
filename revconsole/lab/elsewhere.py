"""Elsewhere: finished runs of a study with other settings than the planned runs, and the settings that find them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from revconsole.lab.study import PlannedStudy, RunKeys, belongs
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import Study
from revconsole.records.settings.typing_again import flat_settings

FOUND_OUT = "model.pretrained_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Finished runs under other settings: these settings, whether of the quick form, and how many runs."""

    settings: Mapping[str, Any]
    quick: bool
    runs: int


def elsewhere(
    planned: PlannedStudy, summaries: Iterable[Summary], keys: RunKeys
) -> list[Elsewhere]:
    """The settings under which finished runs of the study exist that are not planned, those with the most runs first."""
    study, wanted = planned.study, {plan.digest() for plan in planned.plans}
    finished = [s for s in summaries if s.state == "finished" and belongs(s.plan, study.name)]
    others = [s.plan for s in finished if keys.digest(s) not in wanted]
    forms = {plan.quick for plan in others if not plan.quick or study.has_quick}
    lines = [
        each
        for quick in forms
        for each in _of_form(study, [p for p in others if p.quick == quick], quick=quick)
    ]
    return sorted(lines, key=lambda each: -each.runs)


def _of_form(study: Study, plans: Iterable[Plan], *, quick: bool) -> Iterator[Elsewhere]:
    written = [plan for arm in study.expanded(quick=quick) for plan in arm.plans]
    bases, usual = {plan.arm: plan for plan in written}, {plan.seed for plan in written}
    groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for plan in plans:
        base = bases.get(plan.arm) or _nearest(plan, bases.values())
        if base is not None:
            changed = _changed(plan, base)
            groups.setdefault(repr(changed), (changed, []))[1].append(plan.seed)
    for changed, seeds in groups.values():
        others = {} if usual.issuperset(seeds) else {"seeds": sorted(set(seeds))}
        yield Elsewhere(settings=changed | others, quick=quick, runs=len(seeds))


def _nearest(plan: Plan, bases: Iterable[Plan]) -> Plan | None:
    """The arm with the fewest different settings, for a run whose arm name does not occur in the study."""
    return min(bases, key=lambda base: len(_changed(plan, base)), default=None)


def _changed(plan: Plan, base: Plan) -> dict[str, Any]:
    """The settings of `plan` that differ from `base`, by dotted key; keys that only `base` has are left out."""
    before = flat_settings(base)
    return {
        key: "none" if value is None else value
        for key, value in flat_settings(plan).items()
        if key != FOUND_OUT and (key not in before or before[key] != value)
    }
