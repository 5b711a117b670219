"""Thread launcher: runs train in a background thread of this process, one at a time; the others wait for their turn.

They train one at a time because determinism flags, default dtype and number of threads belong to the process; on its
device a run also waits for those of other processes (see `turns`). The thread is a daemon: code that quits asks the run
to stop or to move to a background process, and waits. A run that is cut off all the same is `lost` and can be resumed.
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
from revconsole.records import ranks
from revconsole.records.logs.events import Advised, Failed, Finished
from revconsole.records.runs import control, identity, tracking
from revconsole.records.runs.attempt import Attempt, Outcome
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.turns import POLL_SECONDS, DeviceTurns, NextRun

NAME = "thread"


class ThreadLauncher:
    """A queue of runs and the thread that trains them."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._waiting: deque[tuple[str, int]] = deque()
        self._active: str | None = None
        self._attempt: Attempt | None = None
        self._claimed = False
        self._leaving: list[str] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._turns = DeviceTurns(store.root)
        self._moved: set[str] = set()
        self._problems: dict[str, str] = {}
        self._broken = False
        self.problem = ""
        """Why runs that were handed over do not continue; empty if they do."""

    def launch(
        self,
        run_ids: list[str],
        changes: Mapping[str, Any] = MappingProxyType({}),
        *,
        now: bool = False,
    ) -> None:
        """Queue runs; the first starts at once if nothing trains here and its device is free.

        changes: their changed settings; see `changes`. now: they do not wait for runs of other processes.
        After a run that left this process unable to use its GPU, they train in another process.
        """
        if self._broken:
            self._move(run_ids, changes, now=now)
            return
        numbered = [(run_id, self._store.next_attempt(run_id)) for run_id in run_ids]
        for run_id, number in numbered:
            self._store.queue(run_id, number, identity.mine(), NAME, changes, now=now)
            self._problems.pop(run_id, None)
            self._moved.discard(run_id)
        with self._changed:
            self._waiting.extend(numbered)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def busy(self) -> tuple[str, ...]:
        """Ids of the runs that train or wait in this process, in order."""
        with self._changed:
            active = (self._active,) if self._active else ()
            return (*active, *(run_id for run_id, _ in self._waiting))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing trains or waits here; False if `seconds` passed first."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._active or self._waiting), seconds)

    def forget_waiting(self) -> None:
        """Clear the queue."""
        with self._changed:
            self._waiting.clear()
            idle = self._active is None
            self._changed.notify_all()
        if idle:
            self._turns.leave()

    def moved(self, run_id: str) -> bool:
        """Whether a background process continues a run that was here."""
        return run_id in self._moved

    def unrecorded(self, run_id: str) -> str:
        """Why a run that was here has no recorded end and continues nowhere; empty otherwise."""
        return self._problems.get(run_id, "")

    def hand_over(self, why: str = "") -> tuple[str, ...]:
        """Move the runs that train and wait here to a background process; returns their ids.

        The training run moves after its current step: `wait` for it. `problem` says what could not move.
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
        """Send a request to a run; a run that trains here receives it even if the disk takes no file.

        It waits until a run that is about to train here is claimed, because a request from before that is dropped as one
        to an earlier attempt. Raises StoreError for any other run whose request cannot be written.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._active != run_id or self._claimed)
        folder = self._store.folder(run_id)
        try:
            control.ask(folder, verb, why)
        except StoreError:
            if run_id != self._active or self._attempt is None:
                raise
            control.tell(folder, verb, why)

    def end_now(self, why: str = "") -> None:
        """Record the runs that train and wait here as stopped without waiting for the step, because the process exits."""
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
        elif active is not None and self._claimed:  # its ranks are processes of their own
            with suppress(StoreError):
                control.ask(self._store.folder(active), "stop", why)

    def _work(self) -> None:
        while True:
            begun = self._next()
            outcome = self._train(begun)
            with self._changed:
                moves = [begun.run_id] if outcome == "handed over" else []
                leaving, self._leaving = [*moves, *self._leaving], []
                if outcome == "broken":
                    self._broken = True
                    leaving += [run_id for run_id, _ in self._waiting]
                    self._waiting.clear()
            if moves:
                self._move(leaving, turn=self._turns.pass_on())
                self._turns.passed()
            elif leaving:
                self._move(leaving)

    def _next(self) -> NextRun:
        """Wait until a run may begin, and make it the active one."""
        with self._changed:
            self._active, self._attempt, self._claimed = None, None, False
            self._changed.notify_all()
        while True:
            with self._changed:
                waiting = tuple(self._waiting)
            begun = self._turns.next(waiting)
            with self._changed:
                if begun is not None and begun[:2] in self._waiting:
                    self._waiting.remove(begun[:2])
                    self._active = begun.run_id
                    return begun
                if tuple(self._waiting) == waiting:
                    self._changed.wait(POLL_SECONDS if waiting else None)

    def _train(self, begun: NextRun) -> Outcome:
        """Train one run; whatever it raises, the next one trains."""
        run_id, number, note = begun
        if (count := ranks.count(self._store, run_id)) > 1:
            return ranks.train(
                self._store,
                run_id,
                number,
                ranks=count,
                launcher=NAME,
                note=note,
                begun=self._set_claimed,
            )
        try:
            attempt = self._store.claim(run_id, number, NAME)
        except AlreadyClaimed as error:  # stopped while it waited, or taken by another process
            self._problems[run_id] = str(error)
            return "gone"
        except Exception as error:  # noqa: BLE001  as above
            self._problems[run_id] = said(error)
            self._store.refuse(run_id, number, said(error))
            return "failed"
        self._attempt = attempt
        tracking.begin(self._store, run_id, attempt)
        self._set_claimed()
        if note:
            attempt.emit(Advised(level="warning", text=note))
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

    def _set_claimed(self) -> None:
        with self._changed:
            self._claimed = True
            self._changed.notify_all()

    def _move(
        self,
        run_ids: list[str],
        changes: Mapping[str, Any] = MappingProxyType({}),
        *,
        now: bool = False,
        turn: int | None = None,
    ) -> None:
        try:
            process.launch(self._store, run_ids, changes, now=now, turn=turn)
        except (RevconsoleError, OSError) as error:
            self.problem = said(error)
            self._problems |= dict.fromkeys(
                run_ids, f"it cannot continue in the background: {error}"
            )
        else:
            self._moved.update(run_ids)
