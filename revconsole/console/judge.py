"""Judge: checks whether the runs of a form can be trained, in a thread and, where torch is needed, in a process."""

from collections.abc import Callable, Sequence

from revconsole.console.origin import Judged
from revconsole.lab.examiner import Examiner
from revconsole.lab.judging import AskTorch, Verdicts, on_another_machine
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.lab.study import Standing
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.model import Python
from revconsole.records.settings.plan import Plan


class Judge:
    """Checks whether the runs of one form can be trained, until `end`."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._examiner = lab, Examiner()
        self.elsewhere = False
        """Whether they are to train on another machine, whose devices are not known here."""

    @property
    def _ask(self) -> AskTorch:
        return on_another_machine(self._examiner) if self.elsewhere else self._examiner

    def sifted(
        self, judged: Judged, *, wanted: Callable[[], bool], slow: Callable[[], object]
    ) -> Judged:
        """The runs of a form that can be trained, and a sentence about the others; runs no code of the user's own.

        wanted: whether the result is still needed. slow: called before the first model that has to be built.
        Raises RevconsoleError if none can be trained.
        """
        calls: list[object] = []

        def ask(plan: Plan, store: RunStore, *, own_code: bool) -> None:
            if not wanted():
                return
            if not calls:
                calls.append(slow())
            self._ask(plan, store, own_code=own_code)

        planned = judged.planned
        verdicts = self._lab.judge(planned.plans, set_in=planned.set_in, ask=ask)
        return judged.with_runs(*_fit(planned, verdicts))

    def sifted_own(self, planned: Planned) -> tuple[Planned, str]:
        """The runs of a launch that can be trained; models of the user's own code are built to check."""
        if not any(isinstance(plan.model, Python) for plan in planned.plans):
            return planned, ""
        verdicts = self._lab.judge(
            planned.plans, set_in=planned.set_in, run_own_code=True, ask=self._ask
        )
        return _fit(planned, verdicts)

    def sifted_runs(self, remaining: Sequence[Standing], where: str) -> tuple[list[Standing], str]:
        """The remaining runs of a study that can be trained; begun ones are not checked. where: the file of the study."""
        new = [each.plan for each in remaining if each.summary is None]
        verdicts = self._lab.judge(new, set_in=lambda _: where, run_own_code=True, ask=self._ask)
        if len(new) == len(remaining):
            verdicts.refuse_if_none()
        fit = [each for each in remaining if each.summary or not verdicts.why_not(each.plan)]
        return fit, "; ".join(verdicts.sentences)

    def end(self) -> None:
        """Cancel checks in progress."""
        self._examiner.end()


def _fit(planned: Planned, verdicts: Verdicts) -> tuple[Planned, str]:
    verdicts.refuse_if_none()
    return planned.only(verdicts.fit), "; ".join(verdicts.sentences)
