"""FormForesight: tells what the runs of a form would cost as it becomes known. No widgets."""

import threading
from collections.abc import Callable
from functools import partial

from revconsole.console.prospect import Prospect, prospect
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.records.printable import one_line


class FormForesight:
    """What is known of the runs of one form, and a process that is asked for the rest, until `end`."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._foreseer = lab, Foreseer()
        self._asking = threading.Lock()
        """Held while the process is asked, so that nobody waits to ask of what is not typed any more."""

    def known(self, planned: Planned, drawn: int = 0) -> Prospect:
        """What is known of the runs, in milliseconds. drawn: see `prospect`."""
        try:
            return prospect(planned.plans, self._foreseer, self._lab.store.list(), drawn)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end up on the screen
            why = one_line(str(error) or type(error).__name__)
            return Prospect(runs=drawn or len(planned.plans), problem=why)

    def ask(
        self,
        planned: Planned,
        drawn: int,
        *,
        wanted: Callable[[], bool],
        tell: Callable[[Prospect], object],
    ) -> None:
        """Ask for what is not known, in a daemon thread, which quitting does not wait for.

        wanted: whether the answer is still needed. tell: called with what is known then, after each answer.
        """
        work = partial(self._ask, planned, drawn, wanted, tell)
        threading.Thread(target=work, name="foretelling", daemon=True).start()

    def end(self) -> None:
        """End the process, even while it is asked."""
        self._foreseer.end()

    def _ask(
        self,
        planned: Planned,
        drawn: int,
        wanted: Callable[[], bool],
        tell: Callable[[Prospect], object],
    ) -> None:
        while wanted():
            found = self.known(planned, drawn)
            tell(found)
            plans = found.uncounted or found.unforeseen[:1]
            if not plans:
                return
            with self._asking:
                for plan in plans if wanted() else ():
                    self._foreseer.ask(plan, counts_only=bool(found.uncounted))
