"""Trials without training: what a trainer would write of a run, of values that a formula gives."""

from collections.abc import Callable
from math import log10
from pathlib import Path

from revconsole.lab.lab import Lab
from revconsole.lab.search.launching import new_launch
from revconsole.lab.search.searching import Searching
from revconsole.records.logs.events import EpochFinished, Finished, Started
from revconsole.records.search.early import early_stop
from revconsole.records.search.planned_search import planned_search
from revconsole.records.search.search_line import SearchLine
from revconsole.records.settings.plan import Plan

SEARCH = """
title = "A search without training"
[search]
method = "{method}"
trials = {trials}
stop_early = "{stop_early}"
repeat_best = 2
seed = {seed}
[search.space]
optimizer.learning_rate = {{ from = 1e-4, to = 1e-1, log = true }}
"model.depth" = [1, 2, 4]
[model]
dim = 16
heads = 2
[train]
epochs = 10
"""

Curve = Callable[[Plan, int], float]
"""Validation accuracy of a plan after an epoch."""


def written(path: Path = Path("fake.toml"), text: str = SEARCH, **given: object) -> str:
    """The file of a search; returns its path."""
    usual = {"method": "bayes", "trials": 12, "stop_early": "halving", "seed": 0}
    path.write_text(text.format(**(usual | given)), encoding="utf-8")
    return str(path)


def curve(plan: Plan, epoch: int) -> float:
    """Best at a rate of 0.01 and a depth of 2; grows with the epochs."""
    rate = getattr(plan.optimizer, "learning_rate", 0.0)
    depth = getattr(plan.model, "depth", 0)
    far = abs(log10(rate) + 2) + abs(depth - 2) / 2 + plan.seed / 1000
    return round((1 - 0.5**epoch) * (0.9 - 0.25 * far), 6)


def trained(lab: Lab, run: tuple[str, int], of: Curve = curve, *, until: int = 1000) -> str:
    """Write an attempt of a run as a trainer would, up to an epoch at which the trainer is lost; returns the run's id."""
    run_id, number = run
    before = lab.summary(run_id)
    attempt = lab.store.claim(run_id, number)
    done, plan = before.epoch, before.plan
    attempt.emit(Started(facts={}, resumed_from=done or None))
    early = early_stop(lab.store, run_id, plan)
    for epoch in range(done + 1, plan.epochs + 1):
        if epoch > until:
            attempt.close()
            (attempt.folder / "claim.json").unlink()
            return run_id
        values = {"validation_accuracy": of(plan, epoch)}
        attempt.emit(EpochFinished(epoch=epoch, step=epoch, values=values))
        if early is not None and epoch < plan.epochs and (why := early.why(epoch)):
            attempt.emit(Finished(outcome="pruned", step=epoch, by=why))
            attempt.close()
            return run_id
    values = {"test_accuracy": of(plan, plan.epochs) - 0.01}
    attempt.emit(Finished(outcome="completed", step=plan.epochs, values=values))
    attempt.close()
    return run_id


def searching(lab: Lab, name: str) -> Searching:
    """The search of a file."""
    return Searching(lab, planned_search(name, {}, lab.store))


def worker(lab: Lab, name: str, job: str | None = None) -> SearchLine:
    """What a worker sees that a command has just started."""
    return SearchLine(lab.store, new_launch(searching(lab, name)), job)


def searched(lab: Lab, name: str, of: Curve = curve, *, runs: int = 1000) -> Searching:
    """A search for which one worker trained so many runs."""
    line = worker(lab, name)
    while runs and (found := line.open()):
        trained(lab, found[0], of)
        runs -= 1
    return searching(lab, name)
