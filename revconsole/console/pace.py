"""Pace: whether a terminal keeps up with what is written to it.

Between the console and its terminal lie buffers that take a hundred kilobytes at once, as those of sshd. So after a snapshot the
terminal is asked where its cursor is, which it answers once it has shown all that came before.
"""

import time

QUESTION = "\x1b[6n"
LOST_SECONDS = 10.0
"""Age of a question at which no answer is expected any more, and the terminal counts as one that gives none."""


class TerminalPace:
    """The questions to one terminal. One that has never answered counts as fast."""

    def __init__(self) -> None:
        self._asked: float | None = None
        self._answers = False

    @property
    def waits(self) -> bool:
        """Whether the terminal has still to show what was written before the last question."""
        if self._asked is not None and time.monotonic() - self._asked > LOST_SECONDS:
            self._asked, self._answers = None, False
        return self._answers and self._asked is not None

    @property
    def open(self) -> bool:
        """Whether a question has no answer yet, which would come to whoever reads from the terminal next."""
        return self._asked is not None

    def ask(self) -> str:
        """What to write: the question, or nothing while there is one already."""
        if self._asked is not None:
            return ""
        self._asked = time.monotonic()
        return QUESTION

    def hear(self) -> None:
        """Take an answer."""
        self._asked, self._answers = None, True
