"""Asked: with which words the runs of a study were asked for, where other words do not find them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from revconsole.lab.compare import flat_settings
from revconsole.lab.study import Keys, PlannedStudy
from revconsole.records.plan import Plan
from revconsole.records.run import Summary

FOUND_OUT = "model.pretrained_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Finished runs of one study that one line finds: its settings, whether of the short form, how many runs."""

    settings: Mapping[str, Any]
    quick: bool
    runs: int


def asked_otherwise(planned: PlannedStudy, summaries: Iterable[Summary], keys: Keys) -> list[Asked]:
    """The words for finished runs of the study that are not among the planned ones, those of most runs first."""
    wanted = {plan.digest() for plan in planned.plans}
    written = {quick: _written(planned, quick=quick) for quick in (False, True)}
    found: dict[str, list[tuple[Plan, dict[str, Any]]]] = {}
    for s in summaries:
        ours = s.state == "finished" and s.plan.study == planned.study.name
        if ours and keys.digest(s) not in wanted:
            base = next((p for p in written[s.plan.quick] if p.arm == s.plan.arm), None)
            if base is not None:
                changed = _changed(s.plan, base)
                words = repr((s.plan.quick, sorted(changed.items())))
                found.setdefault(words, []).append((s.plan, changed))
    asked = (_asked(runs, written[runs[0][0].quick]) for runs in found.values())
    return sorted(asked, key=lambda each: -each.runs)


def _asked(runs: list[tuple[Plan, dict[str, Any]]], written: list[Plan]) -> Asked:
    plan, changed = runs[0]
    seeds, usual = {each.seed for each, _ in runs}, {each.seed for each in written}
    others = {} if seeds <= usual else {"seeds": sorted(seeds)}
    return Asked(settings=changed | others, quick=plan.quick, runs=len(runs))


def _written(planned: PlannedStudy, *, quick: bool) -> list[Plan]:
    """Every plan of the study as its file has it."""
    return [plan for arm in planned.study.expanded(quick=quick) for plan in arm.plans]


def _changed(plan: Plan, base: Plan) -> dict[str, Any]:
    """Settings by dotted key that differ; what only `base` has belongs to another kind."""
    before = flat_settings(base)
    return {
        key: "none" if value is None else value
        for key, value in flat_settings(plan).items()
        if key != FOUND_OUT and (key not in before or before[key] != value)
    }
