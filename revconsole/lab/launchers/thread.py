"""Thread launcher: runs train in a background thread of this process, one at a time, the rest queue.

One at a time because determinism flags, default dtypes and thread counts belong to the process. The thread is
a daemon: whoever quits asks runs to stop first (`Lab.close`), and a run cut off all the same is `lost` and
can be resumed.
"""

import threading
from collections import deque

from revconsole.errors import AlreadyClaimed
from revconsole.lab import engine
from revconsole.records import identity
from revconsole.records.store import RunStore

NAME = "thread"


class ThreadLauncher:
    """A queue of runs and the thread that trains them."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._waiting: deque[tuple[str, int]] = deque()
        self._active: str | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

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

    def _work(self) -> None:
        while True:
            with self._changed:
                self._active = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                self._active, number = self._waiting.popleft()
            self._train(self._active, number)

    def _train(self, run_id: str, number: int) -> None:
        """Train one run, unless it was stopped while it waited: then its attempt number is taken."""
        try:
            attempt = self._store.claim(run_id, number)
        except AlreadyClaimed:
            return
        engine.train(self._store, run_id, attempt)
