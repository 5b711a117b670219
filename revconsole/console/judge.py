"""Judge: what would keep the runs of a form from training, found out in a thread and, where it takes torch, a process."""

from collections.abc import Callable, Sequence

from revconsole.console.origin import Judged
from revconsole.lab.examiner import Examiner
from revconsole.lab.judging import Verdicts
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.lab.study import Standing
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.model import Python
from revconsole.records.settings.plan import Plan


class Judge:
    """Judges whether the runs of one form can be trained, until `end`."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._examiner = lab, Examiner()

    def sifted(
        self, judged: Judged, *, wanted: Callable[[], bool], slow: Callable[[], object]
    ) -> Judged:
        """The runs of a form that can be trained, with a sentence about the others; no code of the user's is run.

        wanted: whether anybody still asks. slow: called before the first model that has to be looked at.
        Raises RevconsoleError where none can be trained.
        """
        told: list[object] = []

        def ask(plan: Plan, store: RunStore, *, own_code: bool) -> None:
            if not wanted():
                return
            if not told:
                told.append(slow())
            self._examiner(plan, store, own_code=own_code)

        planned = judged.planned
        verdicts = self._lab.judge(planned.plans, set_in=planned.set_in, ask=ask)
        return judged.with_runs(*_fit(planned, verdicts))

    def sifted_own(self, planned: Planned) -> tuple[Planned, str]:
        """The runs about to be launched that can be trained; models of the user's own code are built to find out."""
        if not any(isinstance(plan.model, Python) for plan in planned.plans):
            return planned, ""
        verdicts = self._lab.judge(
            planned.plans, set_in=planned.set_in, run_own_code=True, ask=self._examiner
        )
        return _fit(planned, verdicts)

    def sifted_runs(self, left: Sequence[Standing], where: str) -> tuple[list[Standing], str]:
        """The runs left of a study that can be trained, before they are launched; runs that have begun go on as they are.

        where: the file of the study.
        """
        new = [each.plan for each in left if each.summary is None]
        verdicts = self._lab.judge(
            new, set_in=lambda _: where, run_own_code=True, ask=self._examiner
        )
        if len(new) == len(left):
            verdicts.refuse_if_none()
        fit = [each for each in left if each.summary or not verdicts.why_not(each.plan)]
        return fit, "; ".join(verdicts.sentences)

    def end(self) -> None:
        """Cancel whatever is still being found out."""
        self._examiner.end()


def _fit(planned: Planned, verdicts: Verdicts) -> tuple[Planned, str]:
    verdicts.refuse_if_none()
    return planned.only(verdicts.fit), "; ".join(verdicts.sentences)
