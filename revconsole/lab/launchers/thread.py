"""Thread launcher: runs train in a background thread of this process, one at a time, the rest queue.

One at a time because determinism flags, default dtypes and thread counts belong to the process. The thread is
a daemon: whoever quits asks its run to stop, or to be handed over to a background process, and waits; a run cut
off all the same is `lost` and can be resumed.
"""

import threading
from collections import deque

from revconsole.errors import AlreadyClaimed, RevconsoleError
from revconsole.lab import engine
from revconsole.lab.launchers import process
from revconsole.records import control, identity
from revconsole.records.attempt import Attempt
from revconsole.records.events import Finished
from revconsole.records.store import RunStore

NAME = "thread"


class ThreadLauncher:
    """A queue of runs and the thread that trains them."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._waiting: deque[tuple[str, int]] = deque()
        self._active: str | None = None
        self._attempt: Attempt | None = None
        self._leaving: list[str] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.problem = ""
        """Why runs that were to go on elsewhere do not; empty if they do."""

    def launch(self, run_ids: list[str]) -> None:
        """Queue runs; the first starts at once if nothing trains here."""
        numbered = [(run_id, self._store.next_attempt(run_id)) for run_id in run_ids]
        for run_id, number in numbered:
            self._store.queue(run_id, number, identity.mine(), NAME)
        with self._changed:
            self._waiting.extend(numbered)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def busy(self) -> tuple[str, ...]:
        """Ids of the runs of this process that train or wait, in order."""
        with self._changed:
            active = (self._active,) if self._active else ()
            return (*active, *(run_id for run_id, _ in self._waiting))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing trains or waits here; False if `seconds` passed first."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._active or self._waiting), seconds)

    def hand_over(self, why: str = "") -> tuple[str, ...]:
        """Let a background process go on with what trains and waits here; returns those runs.

        The run that trains goes after the step it is in: `wait` for it. Raises StoreError.
        """
        with self._changed:
            moved = [run_id for run_id, _ in self._waiting]
            self._waiting.clear()
            active = self._active
            if active is not None:
                self._leaving += moved
            self._changed.notify_all()
        if active is not None:
            control.ask(self._store.folder(active), "handover", why)
        elif moved:
            process.launch(self._store, moved)
        return (*((active,) if active else ()), *moved)

    def end_now(self, why: str = "") -> None:
        """Record what trains and waits here as stopped, without waiting for the step: the process is leaving."""
        with self._changed:
            attempt, active, waiting = self._attempt, self._active, list(self._waiting)
            self._waiting.clear()
        if active is not None and attempt is not None:
            step = self._store.read(active).summary.step
            attempt.emit(Finished(outcome="stopped", step=step, by=control.whoami(why)))
        for run_id, number in waiting:
            self._store.stop_queued(run_id, number, why)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._active = self._attempt = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                self._active, number = self._waiting.popleft()
            self._train(self._active, number)

    def _train(self, run_id: str, number: int) -> None:
        """Train one run, unless it was stopped while it waited: then its attempt number is taken."""
        try:
            self._attempt = self._store.claim(run_id, number, NAME)
        except AlreadyClaimed:
            moves = False
        else:
            moves = engine.train(self._store, run_id, self._attempt)
        with self._changed:
            leaving, self._leaving = [*([run_id] if moves else []), *self._leaving], []
        if leaving:
            self._move(leaving)

    def _move(self, run_ids: list[str]) -> None:
        try:
            process.launch(self._store, run_ids)
        except RevconsoleError as error:
            self.problem = str(error)
