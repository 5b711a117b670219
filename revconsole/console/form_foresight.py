"""FormForesight: tells what the runs of a form would cost as it becomes known, and times their steps if asked. No widgets."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from revconsole.console.prospect import Prospect, prospect
from revconsole.errors import RevconsoleError
from revconsole.lab.estimate import Measurer
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.records.printable import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class FormQuestion:
    """What is asked of the runs of a form. drawn: see `prospect`.

    wanted: whether the answer is still needed. tell: called with what is known then, after each answer.
    """

    planned: Planned
    drawn: int
    wanted: Callable[[], bool]
    tell: Callable[[Prospect], object]


class FormForesight:
    """What is known of the runs of one form, and processes that are asked for the rest, until `end`."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._foreseer, self._measurer = lab, Foreseer(), Measurer()
        self._asking = threading.Lock()
        """Held while a process is asked, so that nobody waits to ask of what is not typed any more, and one works at a time."""
        self._measuring = ""
        """What is being timed, or why it was not."""
        self._turn = 0
        """Counts the timings that were started or stopped."""

    def known(self, planned: Planned, drawn: int = 0) -> Prospect:
        """What is known of the runs, in milliseconds. drawn: see `prospect`."""
        try:
            runs = self._lab.store.list()
            found = prospect(planned.plans, self._foreseer, runs, drawn, self._measurer)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end up on the screen
            why = one_line(str(error) or type(error).__name__)
            return Prospect(runs=drawn or len(planned.plans), problem=why)
        return replace(found, measuring=self._measuring)

    def ask(self, question: FormQuestion) -> None:
        """Ask for what is not known, in a daemon thread, which quitting does not wait for."""
        work = partial(self._ask, question)
        threading.Thread(target=work, name="foretelling", daemon=True).start()

    def time(self, question: FormQuestion) -> None:
        """Time a few steps of each kind of run that no earlier run tells the time of, in a daemon thread."""
        self._turn += 1
        work = partial(self._time, question, self._turn)
        threading.Thread(target=work, name="timing", daemon=True).start()

    def stop_timing(self) -> bool:
        """Stop what is being timed, or forget why it was not; returns whether there was either."""
        self._turn += 1
        told, self._measuring = self._measuring, ""
        if told:
            self._measurer.rest()
        return bool(told)

    def end(self) -> None:
        """End the processes, even while they are asked."""
        self._turn += 1
        self._foreseer.end()
        self._measurer.end()

    def _ask(self, question: FormQuestion) -> None:
        while question.wanted():
            found = self._tell(question)
            plans = found.uncounted or found.unforeseen[:1]
            if not plans:
                return
            with self._asking:
                for plan in plans if question.wanted() else ():
                    self._foreseer.ask(plan, counts_only=bool(found.uncounted))

    def _time(self, question: FormQuestion, turn: int) -> None:
        plans = self.known(question.planned, question.drawn).untimed
        problem = ""
        for number, plan in enumerate(plans, 1):
            if turn != self._turn:
                return
            self._measuring = (
                f"timing {number} of {len(plans)}…" if plans[1:] else "timing a few steps…"
            )
            self._tell(question)
            try:
                with self._asking:  # who foresees takes a core
                    self._measurer.ask(plan)
            except RevconsoleError as error:
                problem = problem or one_line(f"not timed: {error}")
        if turn == self._turn:
            self._measuring = problem
            self._measurer.rest()
            self._tell(question)

    def _tell(self, question: FormQuestion) -> Prospect:
        found = self.known(question.planned, question.drawn)
        question.tell(found)
        return found
