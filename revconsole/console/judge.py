"""Judge: what would keep the runs of a form from training, found out in a thread and, where it takes torch, a process."""

from collections.abc import Callable

from revconsole.lab.examiner import Examiner
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.records.plan import Plan
from revconsole.records.sections import Python
from revconsole.records.store import RunStore


class Judge:
    """Of one form, until `end`."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._examiner = lab, Examiner()

    def refuse(
        self, planned: Planned, *, wanted: Callable[[], bool], slow: Callable[[], object]
    ) -> None:
        """Raise RevconsoleError for what would keep a run from training; no code of the user's is run.

        wanted: whether anybody still asks. slow: called before the first model that has to be looked at.
        """
        told: list[object] = []

        def ask(plan: Plan, store: RunStore, *, own_code: bool) -> None:
            if not wanted():
                return
            if not told:
                told.append(slow())
            self._examiner(plan, store, own_code=own_code)

        self._lab.judge(planned.plans, set_in=planned.set_in, ask=ask)

    def refuse_own(self, planned: Planned) -> None:
        """The same of models of one's own, which are built for it: for runs that are about to be launched."""
        own = [plan for plan in planned.plans if isinstance(plan.model, Python)]
        self._lab.judge(own, set_in=planned.set_in, run_own_code=True, ask=self._examiner)

    def end(self) -> None:
        """Whatever is still being found out is for nobody."""
        self._examiner.end()
