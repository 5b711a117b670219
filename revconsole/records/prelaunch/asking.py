"""Asking: all rules applied to one planned run, or to several."""

from collections.abc import Sequence

from revconsole.records.logs.events import Advised
from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rules import RULES


def advise(run: PlannedRun) -> tuple[Advised, ...]:
    """What is odd of a run, warnings before notes; nothing of a support vector machine, which takes no steps."""
    if run.plan.fitted:
        return ()
    told = ((rule, rule.look(run)) for rule in RULES)
    return tuple(
        Advised(level=rule.level, rule=rule.name, text=text) for rule, text in told if text
    )


def together(runs: Sequence[PlannedRun]) -> tuple[Advised, ...]:
    """What is odd of several runs: each rule speaks once, of the first run that it is about, and says of how many it is."""
    by_rule: dict[str, list[tuple[PlannedRun, Advised]]] = {}
    for run in runs:
        for advised in advise(run):
            by_rule.setdefault(advised.rule, []).append((run, advised))
    ordered = [by_rule[rule.name] for rule in RULES if rule.name in by_rule]
    return tuple(_once(each, of=len(runs)) for each in ordered)


def _once(given: Sequence[tuple[PlannedRun, Advised]], *, of: int) -> Advised:
    (run, first), *_ = given
    if of == 1 or (len(given) == of and len({advised.text for _, advised in given}) == 1):
        return first
    called = run.plan.arm or run.plan.name
    whose = f"{len(given)} of {of} runs, first {called}: "
    return Advised(level=first.level, rule=first.rule, text=whose + first.text)
