"""Requests: carries out stop, pause, continue and hand-over requests from the run folder, between two steps."""

import time
from collections.abc import Callable
from typing import Literal

from revconsole.records.logs.events import Answered, Event
from revconsole.records.runs.control import Control, Request
from revconsole.training.together.alone import ALONE, Together

POLL_SECONDS = 0.2
"""Interval between two reads of the folder; a request waits at most this long plus one step."""
SUCCESSOR = "a background process"


class StopAsked(Exception):  # noqa: N818  not an error: somebody asked
    """A user, a signal or the run's search requested that the run stop; its state has been saved. by: who, or why."""

    def __init__(self, by: str, outcome: Literal["stopped", "pruned"] = "stopped") -> None:
        self.by, self.outcome = by, outcome
        super().__init__(by)


class HandOverAsked(Exception):  # noqa: N818  not an error: somebody asked
    """Another process is to continue the run; its state has been saved."""


class NotOurs(Exception):  # noqa: N818  not an error of the run, which has gone elsewhere
    """The run's folder is gone or another process took the run over; nothing more may be written."""


class Requests:
    """Polls the run folder for requests and carries them out.

    secure: saves the state of the run; called before a pause or an end.
    """

    def __init__(
        self,
        control: Control,
        emit: Callable[[Event], None],
        *,
        secure: Callable[[], None],
        together: Together = ALONE,
    ) -> None:
        self._control, self._emit, self._secure = control, emit, secure
        self._together = together
        self._looked = float("-inf")
        self.rested = 0.0
        """Total seconds of pauses so far."""

    def poll(self, step: int) -> bool:
        """Carry out new requests after `step`, unless the last poll was less than `POLL_SECONDS` ago.

        Returns True after a pause, once it is over. Raises StopAsked or HandOverAsked after answering such a request,
        and NotOurs.
        """
        now, told = time.monotonic(), self._together.told
        if not told(now - self._looked >= POLL_SECONDS):
            return False
        self._looked = now
        for request in self._new():
            if request.verb != "continue":
                self._secure()
            self._answer(request, step)
            if request.verb == "pause":
                self._rest(step)
                return True
        return False

    def stop_early(self, why: str) -> None:
        """Raise StopAsked for a run that its search ends, once its state is saved."""
        self._secure()
        raise StopAsked(why, outcome="pruned")

    def _rest(self, step: int) -> None:
        """Sleep until a request to continue or to stop arrives."""
        began = time.perf_counter()
        while True:
            for request in self._new():
                self._answer(request, step)
                if request.verb == "continue":
                    self.rested += time.perf_counter() - began
                    return
            time.sleep(POLL_SECONDS)

    def _new(self) -> tuple[Request, ...]:
        """New requests, the same for all ranks. Raises NotOurs."""
        look = self._together.told
        if not look(self._together.first and self._control.heartbeat()):
            raise NotOurs
        return look(self._control.pending() if self._together.first else ())

    def _answer(self, request: Request, step: int) -> None:
        """Record that a request was carried out and remove it. Raises StopAsked or HandOverAsked for those requests."""
        self._emit(Answered(verb=request.verb, by=request.by, step=step))
        if self._together.first:
            self._control.answered(request)
        if request.verb == "stop":
            raise StopAsked(request.by)
        if request.verb == "handover":
            raise HandOverAsked


class Stopwatch:
    """Seconds of wall clock since its creation, without pauses."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._began = time.perf_counter() - requests.rested

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._requests.rested - self._began
