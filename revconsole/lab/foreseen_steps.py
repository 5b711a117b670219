"""Foreseen steps: the memory of a run's step with every backward, where its own log has only what was measured.

The log has what the user's cache knew when the run began; the cache may know more by now, as after `revconsole plan`.
"""

from dataclasses import replace

from revconsole.lab.foreseer import Foreseer
from revconsole.lab.outlook import foretold
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import ORDER
from revconsole.records.runs.run import Run, StepBytes
from revconsole.records.settings.plan import Plan

MOST = 16
"""Most runs that are remembered with what was added."""


class ForeseenSteps:
    """Adds to runs what the cache knows; to the same object the same. Loads no torch, starts no process."""

    def __init__(self) -> None:
        self._foreseer = Foreseer()
        self._added: dict[str, tuple[Run, Run]] = {}

    def added(self, run: Run) -> Run:
        """The run with the memory of every backward that is known; the run itself if none is."""
        before = self._added.get(run.id)
        if before is not None and before[0] is run:
            return before[1]
        foreseen = in_bytes(run.plan, self._foreseer.known(run.plan))
        if not foreseen:
            return run
        self._added[run.id] = run, replace(run, memory=(*run.memory, *foreseen))
        for old in list(self._added)[:-MOST]:
            del self._added[old]
        return self._added[run.id][1]


def in_bytes(plan: Plan, known: Foreseen | None) -> tuple[StepBytes, ...]:
    """The memory of a plan's step with its own backward, and with each other but `auto`; empty where nothing is known."""
    if known is None or known.counts is None:
        return ()
    steps = foretold(plan, known, memory=None, runs=()).steps
    wanted = (each for each in steps if each.backward in {plan.backward, *ORDER})
    return tuple(StepBytes(of="foreseen", backward=s.backward, parts=s.parts) for s in wanted)
