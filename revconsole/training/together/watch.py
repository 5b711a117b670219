"""Watch: a thread of each rank that ends it when the run cannot go on, because another rank failed, is gone or hangs.

A rank whose partner is gone waits in an exchange, inside of torch, where Python hears no signal and no time passes. This
thread hears both. What ended the run is in `trouble`; the rank that writes the run records it, then all leave.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable

from revconsole.records.runs.identity import Identity
from revconsole.training.supervisor import PASSED_ON
from revconsole.training.together.notes import RankEnd, RankNotes

ASKING = tuple(name for name in PASSED_ON if name != signal.SIGINT)
"""Signals that ask a run to stop; a terminal's do not reach the ranks."""
LAUNCHER_PID = "REVCONSOLE_LAUNCHER_PID"
"""Environment variable of the ranks: the process that started them, if it is ours."""
BEAT_SECONDS = 1.0
SILENCE_SECONDS = 60.0
"""Seconds without a sign of a rank after which it counts as hanging: Python's lock is never held for so long."""
ASIDE_SECONDS = 5.0
"""If this thread itself was held up for so long, as a suspended process is, it counts the others' seconds anew."""
LEFT_SECONDS = 10.0
"""Seconds after the last sign of the first rank, which has left, after which another one leaves, too."""
RECOGNISED_SECONDS = 3.0
"""Seconds after a failed exchange within which its cause is looked for elsewhere."""


class RankWatch:
    """Watches the other ranks. end: called with what ended the run; it leaves the process. stop: called on a signal that asks for it."""

    def __init__(
        self, notes: RankNotes, *, end: Callable[[RankEnd], None], stop: Callable[[], None]
    ) -> None:
        self._notes, self._end, self._stop = notes, end, stop
        self._launcher = Identity.of(int(os.environ.get(LAUNCHER_PID) or os.getppid()))
        self._seen: dict[int, tuple[int, float]] = {}
        self._looked = time.monotonic()
        self._over = threading.Event()
        self._alone = threading.Lock()

    def begin(self) -> None:
        """Begin in a thread. Call this from the main thread: it takes the signals."""
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        for number in ASKING:
            signal.signal(number, lambda *_: None)  # without a handler no byte would be written
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._run, args=(reader,), name="ranks", daemon=True).start()

    def finish(self) -> None:
        """End: this rank leaves as agreed."""
        self._over.set()

    def cause(self) -> RankEnd | None:
        """The end that another rank noted, if one did. Waits a while for the note: the exchange fails before it is written."""
        until = time.monotonic() + RECOGNISED_SECONDS
        while (trouble := self.trouble()) is None and time.monotonic() < until:
            time.sleep(0.1)
        return trouble

    def first_left(self) -> bool:
        """Whether the first rank leaves by itself within a while, as it does when one cause ends every rank."""
        until = time.monotonic() + RECOGNISED_SECONDS
        while 0 in self._notes.others():
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def trouble(self) -> RankEnd | None:
        """Why the run cannot go on; None as long as it can."""
        with self._alone:
            now = time.monotonic()
            if now - self._looked > ASIDE_SECONDS:
                self._seen.clear()
            self._looked = now
            return self._notes.first_end() or self._silent(now) or self._launcher_gone()

    def _silent(self, now: float) -> RankEnd | None:
        others = self._notes.others()
        if 0 in self._seen and 0 not in others and now - self._seen[0][1] > LEFT_SECONDS:
            return RankEnd(rank=0, reason="rank 0, which writes the run, has left")
        for rank, (process, moved) in others.items():
            called = f"rank {rank} (process {process.pid} on {process.host})"
            if process.alive() is False:
                log = self._notes.log().with_name(f"{rank}.log").name
                reason = f"{called} is gone, as a killed process is; its output is in ranks/{log}"
                return RankEnd(rank=rank, reason=reason)
            before, since = self._seen.get(rank, (-1, now))
            if moved != before:
                self._seen[rank] = (moved, now)
            elif now - since > SILENCE_SECONDS:
                held = "; a signal holds it" if process.held() else ""
                process.send(signal.SIGKILL)
                reason = f"{called} has not moved for {now - since:.0f} s{held}, and was ended"
                return RankEnd(rank=rank, reason=reason)
        return None

    def _launcher_gone(self) -> RankEnd | None:
        if self._launcher.alive():
            return None
        reason = f"the launcher of the ranks (process {self._launcher.pid}, torchrun) is gone"
        return RankEnd(rank=self._notes.rank, reason=reason)

    def _run(self, reader: int) -> None:
        while not self._over.is_set():
            heard, _, _ = select.select([reader], [], [], BEAT_SECONDS)
            self._notes.beat()
            if self._over.is_set():
                return
            if trouble := self.trouble():
                self._end(trouble)
            elif heard and os.read(reader, 64):
                self._stop()
