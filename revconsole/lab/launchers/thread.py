"""Thread launcher: runs train in a background thread of this process, one at a time, the rest queue.

One at a time because determinism flags, default dtypes and thread counts belong to the process. The thread is
a daemon: whoever quits asks its run to stop, or to be handed over to a background process, and waits; a run cut
off all the same is `lost` and can be resumed.
"""

import threading
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from revconsole.errors import AlreadyClaimed, NotLoaded, RevconsoleError, StoreError, said
from revconsole.lab.launchers import process
from revconsole.lab.torch_api import training
from revconsole.records.logs.events import Failed, Finished
from revconsole.records.runs import control, identity
from revconsole.records.runs.attempt import Attempt, Outcome
from revconsole.records.runs.store import RunStore

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
        self._moved: set[str] = set()
        self._problems: dict[str, str] = {}
        self._broken = False
        self.problem = ""
        """Why runs that were to go on elsewhere do not; empty if they do."""

    def launch(self, run_ids: list[str], changes: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Queue runs; the first starts at once if nothing trains here. changes: of their plans; see `changes`.

        Once a run has left this process unable to compute on its GPU, they train in another.
        """
        if self._broken:
            self._move(run_ids, changes)
            return
        numbered = [(run_id, self._store.next_attempt(run_id)) for run_id in run_ids]
        for run_id, number in numbered:
            self._store.queue(run_id, number, identity.mine(), NAME, changes)
            self._problems.pop(run_id, None)
            self._moved.discard(run_id)
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

    def forget_waiting(self) -> None:
        """Begin none of the runs that wait here."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def moved(self, run_id: str) -> bool:
        """Whether a background process goes on with a run that was here."""
        return run_id in self._moved

    def unrecorded(self, run_id: str) -> str:
        """Why a run that was here neither trained to a recorded end nor goes on elsewhere; empty if it did."""
        return self._problems.get(run_id, "")

    def hand_over(self, why: str = "") -> tuple[str, ...]:
        """Let a background process go on with what trains and waits here; returns those runs.

        The run that trains goes after the step it is in: `wait` for it. What cannot go is told by `problem`.
        """
        with self._changed:
            moved = [run_id for run_id, _ in self._waiting]
            self._waiting.clear()
            active = self._active
            if active is not None:
                self._leaving += moved
            self._changed.notify_all()
        if active is not None:
            self.ask(active, "handover", why)
        elif moved:
            self._move(moved)
        return (*((active,) if active else ()), *moved)

    def ask(self, run_id: str, verb: control.Verb, why: str = "") -> None:
        """Ask something of a run; one that trains here hears it also where the disk takes no request.

        Raises StoreError for any other.
        """
        folder = self._store.folder(run_id)
        try:
            control.ask(folder, verb, why)
        except StoreError:
            if run_id != self._active:
                raise
            control.tell(folder, verb, why)

    def end_now(self, why: str = "") -> None:
        """Record what trains and waits here as stopped, without waiting for the step: the process is leaving."""
        with self._changed:
            attempt, active, waiting = self._attempt, self._active, list(self._waiting)
            self._waiting.clear()
        for run_id, number in waiting:
            with suppress(StoreError):  # it is gone, or the disk takes nothing
                self._store.stop_queued(run_id, number, why)
        if active is not None and attempt is not None:
            with suppress(StoreError):
                step = self._store.read(active).summary.step
                attempt.emit(Finished(outcome="stopped", step=step, by=control.whoami(why)))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._active = self._attempt = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                self._active, number = self._waiting.popleft()
            outcome = self._train(self._active, number)
            with self._changed:
                moves = [self._active] if outcome == "handed over" else []
                leaving, self._leaving = [*moves, *self._leaving], []
                if outcome == "broken":
                    self._broken = True
                    leaving += [run_id for run_id, _ in self._waiting]
                    self._waiting.clear()
            if leaving:
                self._move(leaving)

    def _train(self, run_id: str, number: int) -> Outcome:
        """Train one run. Whatever befalls it, the next one trains."""
        try:
            attempt = self._attempt = self._store.claim(run_id, number, NAME)
        except AlreadyClaimed as error:  # stopped while it waited, or taken by another process
            self._problems[run_id] = str(error)
            return "gone"
        except Exception as error:  # noqa: BLE001  as above
            self._problems[run_id] = said(error)
            self._store.refuse(run_id, number, said(error))
            return "failed"
        try:
            outcome = training.execute(self._store, run_id, attempt)
        except NotLoaded as error:
            attempt.fail(Failed(reason=str(error)), traceback.format_exc())
            attempt.close()
            outcome = "failed"
        except Exception as error:  # noqa: BLE001  as above
            self._problems[run_id] = said(error)
            return "failed"
        finally:
            control.forget(attempt.run_folder)
        if attempt.problem:
            self._problems[run_id] = attempt.problem
        return outcome

    def _move(self, run_ids: list[str], changes: Mapping[str, Any] = MappingProxyType({})) -> None:
        try:
            process.launch(self._store, run_ids, changes)
        except (RevconsoleError, OSError) as error:
            self.problem = said(error)
            self._problems |= dict.fromkeys(run_ids, f"it cannot go on in the background: {error}")
        else:
            self._moved.update(run_ids)
