"""Requests: obeys what people ask of a run through its folder, between two steps."""

import time
from collections.abc import Callable

from revconsole.records.logs.events import Answered, Event
from revconsole.records.runs.control import Control, Request

POLL_SECONDS = 0.2
"""How often the folder is looked into; a request waits no longer than that and one step."""
SUCCESSOR = "a background process"


class Ending(Exception):  # noqa: N818  not an error: somebody asked
    """The run is to end here, secured."""


class StopAsked(Ending):
    """Somebody wants the run to stop."""

    def __init__(self, by: str) -> None:
        self.by = by
        super().__init__(by)


class HandOverAsked(Ending):
    """Another process is to go on."""


class NotOurs(Exception):  # noqa: N818  not an error of the run, which has gone elsewhere
    """The run's folder is gone, or another process has taken the run over: nothing may be written."""


class Requests:
    """Looks for requests now and then, and obeys them.

    secure: brings everything into safety; called before the run rests or ends.
    """

    def __init__(
        self, control: Control, emit: Callable[[Event], None], *, secure: Callable[[], None]
    ) -> None:
        self._control, self._emit, self._secure = control, emit, secure
        self._looked = float("-inf")
        self.rested = 0.0
        """Seconds of all pauses so far."""

    def poll(self, step: int) -> bool:
        """Do what was asked since the last look, if that was long enough ago; call it after `step`.

        A pause returns, with True, only when it is over. Raises StopAsked or HandOverAsked once the request is
        answered, and NotOurs.
        """
        now = time.monotonic()
        if now - self._looked < POLL_SECONDS:
            return False
        self._looked = now
        if not self._control.heartbeat():
            raise NotOurs
        for request in self._control.pending():
            if request.verb != "continue":
                self._secure()
            self._answer(request, step)
            if request.verb == "pause":
                self._rest(step)
                return True
        return False

    def _rest(self, step: int) -> None:
        """Sleep until somebody asks to continue or to stop."""
        began = time.perf_counter()
        while True:
            if not self._control.heartbeat():
                raise NotOurs
            for request in self._control.pending():
                self._answer(request, step)
                if request.verb == "continue":
                    self.rested += time.perf_counter() - began
                    return
            time.sleep(POLL_SECONDS)

    def _answer(self, request: Request, step: int) -> None:
        """Record that the request is obeyed, and take it out of the folder."""
        self._emit(Answered(verb=request.verb, by=request.by, step=step))
        self._control.answered(request)
        if request.verb == "stop":
            raise StopAsked(request.by)
        if request.verb == "handover":
            raise HandOverAsked


class Stopwatch:
    """Seconds by the wall clock since it was made, without the pauses that were asked for meanwhile."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._began = time.perf_counter() - requests.rested

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self._requests.rested - self._began
