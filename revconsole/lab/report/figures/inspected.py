"""Inspected: which arms have figures made from their weights, and why others do not."""

from collections.abc import Iterator, Mapping

from revconsole.lab.report import wording
from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.findings.inspection import Inspection

Inspections = Mapping[str, Inspection | str]
"""Run id → the inspection of its weights, or why they could not be inspected."""
KINDS = ("attention", "positions")
WORDS = {"attention": "attention maps", "positions": "position encodings"}


def shown_run(arm: ArmResult) -> str:
    """Id of the arm's run whose weights are shown: that of the lowest seed."""
    return arm.runs[0].id


def inspected(results: Results, inspections: Inspections) -> Iterator[tuple[int, Inspection]]:
    """Yield every arm whose weights were inspected: its position, and the inspection."""
    for place, arm in enumerate(results.arms):
        inspection = inspections.get(shown_run(arm))
        if isinstance(inspection, Inspection):
            yield place, inspection


def of_which(arm: ArmResult, inspection: Inspection) -> str:
    """The inspected run, seed and checkpoint, for a caption."""
    run = arm.runs[0]
    which = (
        "the best epoch" if inspection.best else "not the best epoch, whose weights were not kept"
    )
    return f"{arm.name} (run {run.id}, seed {run.plan.seed}, epoch {inspection.epoch}, {which})"


def lost(results: Results, inspections: Inspections) -> tuple[str, ...]:
    """A sentence on the runs that could not be inspected, without those whose models have nothing to show."""
    return left_out(results, {run: why for run, why in inspections.items() if isinstance(why, str)})


def left_out(results: Results, inspections: Inspections) -> tuple[str, ...]:
    """A sentence for each figure and each reason why some arms lack it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for arm in results.arms:
        inspection = inspections.get(shown_run(arm))
        for kind in KINDS if inspection is not None else ():
            why = inspection if isinstance(inspection, str) else getattr(inspection, kind)
            if isinstance(why, str):
                reasons.setdefault((kind, why), []).append(arm.name)
    return tuple(
        f"No {WORDS[kind]} of {wording.row(arms)}: {why}." for (kind, why), arms in reasons.items()
    )
