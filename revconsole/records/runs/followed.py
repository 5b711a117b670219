"""Followed: the growing logs of one run, read attempt by attempt, and the state that they and the machine tell.

Nothing here needs the run's plan, so that the console's first frame can show states before pydantic is imported.
"""

from pathlib import Path
from typing import Protocol

from revconsole.records.files.damage import UNREADABLE
from revconsole.records.logs.reading import Reading, Taker
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.running import RunningSummary
from revconsole.records.runs.standing import ENDED, State
from revconsole.records.runs.state import Place, Verdict, judged


class AttemptTaker(Taker, Protocol):
    """A consumer of records that is told where an attempt begins."""

    def begin_attempt(self) -> None:
        """The next record belongs to a newer attempt."""


class FollowedLogs:
    """One reader of the logs of one run. attempt: the newest that was read, 0 before the first."""

    def __init__(self, folder: Path, taker: AttemptTaker) -> None:
        self._folder, self._taker = folder, taker
        self.attempt, self._damaged = 0, 0
        self._reading: Reading | None = None

    def read(self) -> bool:
        """Process new lines. Returns False if the log is no longer the one read before."""
        for number in self.numbers():
            if number > self.attempt:
                if self._reading is not None:
                    if not self._reading.poll():
                        return False
                    self._damaged += self._reading.damaged + self._reading.doubtful
                self.attempt = number
                self._reading = Reading(self._folder / "attempts" / f"{number:04d}", self._taker)
                self._taker.begin_attempt()
        return self._reading is None or self._reading.poll()

    def numbers(self) -> list[int]:
        """The attempts of the run; none if they cannot be reached now."""
        try:
            return attempts.numbers(self._folder)
        except OSError:
            return []

    def verdict(self, running: RunningSummary) -> Verdict:
        """The state of the run and the reason for it. running: what was read of it."""
        if self._reading is not None and self._reading.odd:
            return "damaged", self._reading.odd
        try:
            state, reason = judged(Place(self._folder, self.attempt), running)
        except UNREADABLE as error:
            return "damaged", f"its state cannot be told: {type(error).__name__}"
        if state == "lost" and self._reading is not None and self._reading.unread:
            return "stalled", f"its log cannot be read now: {self._reading.unread}"
        return state, reason

    def damaged_lines(self, state: State) -> int:
        """Number of damaged lines. A bad last line counts only once the run has ended and nothing can complete it."""
        if self._reading is None:
            return self._damaged
        final = self._reading.doubtful if state in ENDED else 0
        return self._damaged + self._reading.damaged + final
