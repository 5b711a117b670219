"""Early: whether a trial goes on after an epoch, by what the other trials of its search had reached then."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from revconsole.records.criterion import Criterion
from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.logs.events import DamagedLine, Finished, decode
from revconsole.records.printable import plural
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.search.replay import judged_at, replayed, report
from revconsole.records.search.trials import SearchTrial, TrialReader
from revconsole.records.sections.trial import Trial
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.search import MOST_TRIALS

TAIL_BYTES = 65_536
"""Bytes at the end of a log that hold its last event."""


class EarlyStop:
    """The judge of one trial. A trial that is resumed after it was stopped early trains to its end."""

    def __init__(self, store: RunStore, run_id: str, plan: Plan, trial: Trial) -> None:
        self._trial, self._plan = trial, plan
        self._reader = TrialReader(store, trial)
        resumed = stopped_before(store, run_id)
        self._judged_at = () if resumed else judged_at(trial, plan.epochs)

    def why(self, epoch: int) -> str:
        """Why the trial ends after this epoch, by what its log and those of the others say; empty if it goes on.

        Raises NotLoaded without Optuna, and StoreError if the store cannot be read.
        """
        if epoch not in self._judged_at:
            return ""
        runs = {run.trial.number: run for run in self._reader.read(range(MOST_TRIALS))}
        itself = runs.pop(self._trial.number, None)
        own = {} if itself is None else itself.reached
        if epoch not in own or not self._stopped([*runs.values()], own):
            return ""  # a log that a full disk has not taken yet judges nothing
        others = [run.reached[epoch] for run in runs.values() if epoch in run.reached]
        return sentence(self._trial.goal, epoch, own[epoch], others)

    def _stopped(self, others: list[SearchTrial], own: Mapping[int, float]) -> bool:
        """Optuna's judgement of this trial, which it hears of last."""
        row = Summary(id="", name="", state="running", plan=self._plan, created=0.0)
        going = SearchTrial(trial=self._trial, summary=row, reached={})
        known = replayed(self._trial, self._plan.epochs, [*others, going])
        return report(known.trials[self._trial.number], own, self._judged_at)


def early_stop(store: RunStore, run_id: str, plan: Plan) -> EarlyStop | None:
    """The judge of a run; None for one that nobody stops early."""
    trial = plan.trial
    return (
        None
        if trial is None or trial.stop_early == "none"
        else EarlyStop(store, run_id, plan, trial)
    )


def stopped_before(store: RunStore, run_id: str) -> bool:
    """Whether an earlier attempt of the run was stopped early."""
    folder = store.folder(run_id)
    return any(_pruned(attempts.log_path(folder, number)) for number in attempts.numbers(folder))


def _pruned(log: Path) -> bool:
    """Whether the last event of a log is that the run was stopped early."""
    if not attempts.last_event_ends(log, (Finished,)):
        return False
    try:
        with bounded.opened(log, LOG_BYTES) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            event = decode(file.read().splitlines()[-1]).event
    except (OSError, DamagedLine):
        return False
    return isinstance(event, Finished) and event.outcome == "pruned"


def sentence(goal: Criterion, epoch: int, own: float, others: Sequence[float]) -> str:
    """Why a trial ended after an epoch, beside what the others had reached then."""
    so_far = f"stopped early after epoch {epoch}: {goal.words} {shown(goal, own)}"
    known = [value for value in others if math.isfinite(value)]
    if not known:
        return so_far
    return f"{so_far} against a median of {shown(goal, median(known))} of {plural(len(known), 'other trial')}"


def shown(goal: Criterion, value: float) -> str:
    """A value of a goal as text: a share in percent."""
    return f"{100 * value:.1f} %" if goal.metric.endswith("accuracy") else f"{value:.4g}"
