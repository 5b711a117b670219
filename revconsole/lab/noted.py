"""Noted: what is said of planned runs before they are launched; `records.prelaunch` has the rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.records.logs.events import Advised
from revconsole.records.prelaunch import PlannedRun, advise, planned_run, together
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MOST = 48
"""Runs of a large grid that are looked at."""
ONE_OF_A_KIND = {"cpu", "mps"}
"""Devices of which a machine has one."""
LIVE = {"starting", "running", "stalled", "pausing", "stopping"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchNotes:
    """What is odd of some runs. lines: each thing once. texts: of every run, as the run itself may record it."""

    lines: tuple[Advised, ...] = ()
    texts: frozenset[str] = frozenset()


def noted(plans: Sequence[Plan], runs: Sequence[Summary]) -> LaunchNotes:
    """What is odd of the plans. runs: of the store, of which some may train now."""
    planned = [_planned(plan, runs) for plan in plans[:MOST]]
    return LaunchNotes(
        lines=together(planned),
        texts=frozenset(advised.text for run in planned for advised in advise(run)),
    )


def entries(plan: Plan, runs: Sequence[Summary]) -> list[dict[str, str]]:
    """What is odd of one plan, as `--json` prints it."""
    return [
        {"rule": advised.rule, "level": advised.level, "text": advised.text}
        for advised in advise(_planned(plan, runs))
    ]


def _planned(plan: Plan, runs: Sequence[Summary]) -> PlannedRun:
    return planned_run(plan, beside=tuple(s.name for s in runs if _beside(plan, s)))


def _beside(plan: Plan, run: Summary) -> bool:
    """Whether a run trains on the device that the plan would take, as far as that is known before torch looks."""
    there = run.device or run.plan.train.device
    if run.state not in LIVE or there == "auto":
        return False
    if plan.train.device == "auto":
        return run.plan.train.device == "auto" and there in ONE_OF_A_KIND
    return plan.train.device == there
