"""The detached trainer: `python -m revconsole.training STORE RUN_ID[:ATTEMPT] [RUN_ID[:ATTEMPT] …]`.

Trains the runs one after the other, each as the attempt named, unless somebody took that meanwhile, to stop the run
say; as the next one where none is named. They train with their output in `attempts/NNNN/output.log` of their folders,
in a child of a supervisor that sees how it ends; on macOS, where a fork may not go on, that child begins anew as a
process of its own. After a failure that leaves it unable to compute on its GPU, the rest trains in another child.
SIGTERM and SIGINT make it ask itself to stop, as anybody else would; losing the terminal is ignored. Exits 0 if every
run completed.
"""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType

from revconsole.errors import AlreadyClaimed, NotLoaded, RevconsoleError, StoreError, loading, said
from revconsole.records import child
from revconsole.records.files.shared import READABLE, set_mode
from revconsole.records.logs.events import Failed
from revconsole.records.runs import control
from revconsole.records.runs.attempt import LAUNCH_LOG, Attempt, Outcome
from revconsole.records.runs.store import RunStore
from revconsole.training.supervisor import ANEW, PASSED_ON, supervised

NAME = "process"
SUPERVISED = "REVCONSOLE_SUPERVISED"
"""In the environment of a process that another one has begun under a supervisor."""


class RunQueue:
    """The runs this process is to train, and whether somebody told it to go."""

    def __init__(self, store: RunStore, wanted: list[str]) -> None:
        self.store = store
        self.waiting = [_numbered(store, each) for each in wanted]
        self.training: str | None = None
        self.told_to_go = threading.Event()
        self.broken = False
        """Whether nothing more can be computed on the GPU in this process."""
        self.why = ""

    def go(self, signum: int, _frame: FrameType | None) -> None:
        """Stop the run under way at its next step, and begin no other; a second signal ends at once."""
        self.why = signal.Signals(signum).name
        self.told_to_go.set()
        signal.signal(signum, signal.SIG_DFL)
        if self.training is not None:
            self._ask_to_stop(self.training)

    def _ask_to_stop(self, run_id: str) -> None:
        """As anybody would; where the disk takes no request, by word of mouth."""
        folder = self.store.root / run_id
        try:
            control.ask(folder, "stop", self.why)
        except StoreError:
            control.tell(folder, "stop", self.why)

    def work(self) -> int:
        """Train every run; 0 if all completed, ANEW if what is left has to train in another process."""
        completed = True
        for place, (run_id, number) in enumerate(self.waiting, 1):
            completed &= self._train(run_id, number)
            if self.broken and self.waiting[place:]:
                return ANEW
        return 0 if completed else 1

    def begin_anew(self) -> int:
        """Let a new process of the same words take the place of this one, to train the runs; 1 if it was told to go."""
        # A signal that comes from now on waits for the new process, which takes it once it can.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        if not self.told_to_go.is_set():
            os.environ[SUPERVISED] = "1"
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  no shell
        return 1

    def _train(self, run_id: str, number: int) -> bool:
        if self.told_to_go.is_set():
            return False
        try:
            attempt = self.store.claim(run_id, number, NAME)
        except AlreadyClaimed:  # to be stopped, or trained elsewhere
            return False
        except Exception as error:  # noqa: BLE001  it is deleted, the disk is full: whatever it is, the next one trains
            self.store.refuse(run_id, number, said(error))
            return False
        self.training = run_id
        if self.told_to_go.is_set():  # the signal came while it was claimed
            self._ask_to_stop(run_id)
        outcome = self._execute(run_id, attempt)
        self.training, self.broken = None, outcome == "broken"
        if outcome == "handed over":  # asked to go where it is: in the background already
            return self._train(run_id, number + 1)
        return outcome == "completed"

    def _execute(self, run_id: str, attempt: Attempt) -> Outcome:
        """How the training of a claimed run came out; without torch it fails."""
        try:
            with suppress(OSError):  # a full disk keeps no output, and the run goes on
                _redirect_output(attempt)
            with loading():
                from revconsole.training import api  # only once the run is known to be ours
        except NotLoaded as error:
            attempt.fail(Failed(reason=str(error)), traceback.format_exc())
            attempt.close()
            return "failed"
        return api.execute(self.store, run_id, attempt)


def main(arguments: list[str]) -> int:
    """Train the runs named on the command line; the exit status."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m revconsole.training STORE RUN_ID[:ATTEMPT] …\n")
        return 2
    store, *wanted = arguments
    try:
        opened = RunStore(Path(store))
        line = RunQueue(opened, wanted)
        for name in PASSED_ON:
            signal.signal(name, line.go)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        if os.environ.pop(SUPERVISED, ""):
            return line.work()
        work = line.work if child.FORKS else line.begin_anew
        return supervised(opened, [run_id for run_id, _ in line.waiting], work)
    except RevconsoleError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _numbered(store: RunStore, wanted: str) -> tuple[str, int]:
    run_id, _, number = wanted.partition(":")
    return run_id, int(number) if number.isdecimal() else store.next_attempt(run_id)


def _redirect_output(attempt: Attempt) -> None:
    """Send what this process prints, from C as well, to the attempt's output.log; a crash of torch's too."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(attempt.folder / "output.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, READABLE)
    set_mode(log)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    faulthandler.enable()
    with suppress(OSError):  # what was said before the claim belongs to the attempt
        (attempt.run_folder / LAUNCH_LOG).rename(attempt.folder / LAUNCH_LOG)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
