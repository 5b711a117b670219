"""Inspected: which arms have figures that are made from their weights, and why others have not."""

from collections.abc import Iterator, Mapping

from revconsole.lab.report import wording
from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.findings.inspection import Inspection

Inspections = Mapping[str, Inspection | str]
"""Run → what its weights show, or why nothing could be seen."""
KINDS = ("attention", "positions")
WORDS = {"attention": "attention maps", "positions": "position encodings"}


def shown_run(arm: ArmResult) -> str:
    """The run of an arm whose weights are shown: that of its lowest seed."""
    return arm.runs[0].id


def inspected(results: Results, inspections: Inspections) -> Iterator[tuple[int, Inspection]]:
    """Every arm whose weights were seen, by its place."""
    for place, arm in enumerate(results.arms):
        found = inspections.get(shown_run(arm))
        if isinstance(found, Inspection):
            yield place, found


def of_which(arm: ArmResult, found: Inspection) -> str:
    """Run, seed and checkpoint that were inspected, for a caption."""
    run = arm.runs[0]
    which = "the best epoch" if found.best else "not the best epoch, whose weights were not kept"
    return f"{arm.name} (run {run.id}, seed {run.plan.seed}, epoch {found.epoch}, {which})"


def lost(results: Results, inspections: Inspections) -> tuple[str, ...]:
    """A sentence on the runs that could not be inspected; that a model has nothing to show is not one of the reasons."""
    return left_out(results, {run: why for run, why in inspections.items() if isinstance(why, str)})


def left_out(results: Results, inspections: Inspections) -> tuple[str, ...]:
    """A sentence for each figure that some arms lack and each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for arm in results.arms:
        found = inspections.get(shown_run(arm))
        for kind in KINDS if found is not None else ():
            why = found if isinstance(found, str) else getattr(found, kind)
            if isinstance(why, str):
                reasons.setdefault((kind, why), []).append(arm.name)
    return tuple(
        f"No {WORDS[kind]} of {wording.row(arms)}: {why}." for (kind, why), arms in reasons.items()
    )
