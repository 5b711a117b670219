"""The detached trainer: `python -m revconsole.training STORE [--slots DEVICE,… NAME] RUN_ID[:ATTEMPT] [RUN_ID[:ATTEMPT] …]`,
or `python -m revconsole.training STORE --search SEARCH/LAUNCH` for the workers of a search, which draw their runs themselves.

Trains the runs one after the other, each in its turn on its device. With slots there is a worker on each of these devices,
and each takes the next run that none has taken; a run whose worker was killed is taken again. Each is claimed as the given attempt, or as the next one if none is given, and is
skipped if another process took that attempt meanwhile, for example to stop the run. The runs train in a child of a
supervisor that observes how it ends, with their output in `attempts/NNNN/output.log`; on macOS, where a forked child
cannot continue, it starts itself again as a new process. After a failure that leaves the child unable to use its GPU,
the remaining runs train in another child. SIGTERM, SIGINT and SIGUSR2 make the trainer send itself a stop request; losing
the terminal is ignored. In a job of Slurm, the run's launch.json says which attempt to begin; see `slurm_job`. The exit
status is 0 if every run completed.
"""

import faulthandler
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

from revconsole.errors import (
    AlreadyClaimed,
    NotLoaded,
    RevconsoleError,
    RunFailed,
    StoreError,
    loading,
    said,
)
from revconsole.records import child, ranks
from revconsole.records.files.shared import READABLE, set_mode
from revconsole.records.logs.events import Advised, Failed
from revconsole.records.notices.ends import tell_of_end
from revconsole.records.runs import control, submission, tracking
from revconsole.records.runs.attempt import LAUNCH_LOG, Attempt, Outcome
from revconsole.records.runs.next_run import Line, OwnLine, SharedLine
from revconsole.records.runs.process_output import OUTPUT_LOG
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.turns import POLL_SECONDS, DeviceTurns, NextRun
from revconsole.records.search.launched import SearchLaunch
from revconsole.records.search.search_line import SearchLine
from revconsole.training.slot import Slot, slots_of
from revconsole.training.slurm_job import SlurmJob
from revconsole.training.supervisor import ANEW, PASSED_ON, supervised
from revconsole.training.together import rank
from revconsole.training.together.notes import RankNotes
from revconsole.training.together.rank import started_by_torchrun
from revconsole.training.together.watch import RankWatch

NAME = "process"
SUPERVISED = "REVCONSOLE_SUPERVISED"
"""Environment variable of a process that was started under a supervisor: the number of its slot."""
SLOTS, SEARCH = "--slots", "--search"
STANDARD_INPUT = 0
"""The descriptor by which a console passes on its turn with a run that moves here."""


class RunQueue:
    """The runs that this process is to train, and whether a signal has asked it to stop."""

    def __init__(self, store: RunStore, line: Line, job: SlurmJob | None = None) -> None:
        self.store, self._line, self._job = store, line, job
        self._tried: set[tuple[str, int]] = set()
        self._turns = DeviceTurns(store.root)
        self._slot: Slot | None = None
        self.training: tuple[str, int] | None = None
        self.told_to_go = threading.Event()
        self.broken = False
        """Whether this process can no longer use its GPU."""
        self.why = ""
        self._left = False
        """Whether a run that a signal ended has seen to the job."""

    def go(self, signum: int, _frame: FrameType | None) -> None:
        """Signal handler: stop the current run at its next step and start no other; a second signal ends the process.

        In a job of Slurm it does not: srun and Slurm both send each signal, and Slurm itself ends what does not go.
        """
        if self._job is None:
            signal.signal(signum, signal.SIG_DFL)
        elif self.told_to_go.is_set():
            return
        self.why = signal.Signals(signum).name
        self.told_to_go.set()
        if self.training is not None:
            self._ask_to_stop(*self.training)

    def _ask_to_stop(self, run_id: str, number: int) -> None:
        """Send a stop request through the run's folder, or in memory if the disk does not accept it."""
        folder = self.store.root / run_id
        try:
            if self._job is not None:  # first: perhaps nothing can be written after the stop
                self._job.queue(self.store, run_id, number + 1)
            control.ask(folder, "stop", self.why)
        except StoreError:
            control.tell(folder, "stop", self.why)

    def work(self) -> int:
        """Train every run in its turn. Returns 0 if all completed, or ANEW if the rest must train in another process."""
        completed, waiting = True, self._waiting()
        self._turns.inherit(STANDARD_INPUT)
        try:
            while (waiting or self._line.more_to_come()) and not self.told_to_go.is_set():
                begun = self._turns.next(waiting)
                if begun is None or self._lacks(begun):
                    self.told_to_go.wait(POLL_SECONDS)
                else:
                    self._tried.add(begun[:2])
                    completed &= self._train(*begun)
                if self.told_to_go.is_set():  # and nothing is drawn any more
                    break
                waiting = self._waiting()
                if self.broken and waiting:
                    return ANEW
        finally:
            self._turns.leave()
            self._come_again()
        return 0 if completed and not waiting else 1

    def _come_again(self) -> None:
        """Let the job begin again if a signal ended it between two trials of a search, when no run of its own asked for that."""
        if (
            self._job is not None
            and self.why
            and not self._left
            and isinstance(self._line, SearchLine)
        ):
            with suppress(RunFailed):
                self._job.comes_again(self.why)

    def _waiting(self) -> list[tuple[str, int]]:
        """The runs that this process may begin."""
        return [run for run in self._line.open() if run not in self._tried]

    def _lacks(self, begun: NextRun) -> bool:
        """Whether the device has no room for the run, or the disk none for its record; the run then says so, and waits."""
        if self._slot is None:
            return False
        lacks = self._slot.lacks(self.store, begun)
        self.store.say_lack(begun.run_id, begun.number, lacks)
        return bool(lacks)

    def work_in(self, slot: Slot) -> int:
        """As `work`, in a slot of several workers: each takes the next run that none of them has taken."""
        slot.enter()
        self._slot, self._turns = slot, slot.turns(self.store.root)
        return self.work()

    def begin_anew(self, number: int) -> int:
        """Replace this process by a new one with the same command line; returns 1 if a signal asked it to stop.

        number: of the slot in which it works.
        """
        # A signal that comes from now on waits for the new process, which takes it once it can.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        if not self.told_to_go.is_set():
            os.environ[SUPERVISED] = str(number)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  no shell
        return 1

    def _train(self, run_id: str, number: int, note: str = "") -> bool:
        if self.told_to_go.is_set():
            return False
        count = ranks.count(self.store, run_id)
        if count == 1:
            outcome = self._alone(run_id, number, note)
        else:
            outcome = self._together(run_id, number, count, self._noted(note))
        self.training, self.broken = None, outcome == "broken"
        if outcome is None:
            return False
        if self._job is not None and self.why:
            self._left = True
            self._job.leave(self.store, run_id, number, self.why, outcome)
        if outcome == "handed over":  # a hand-over to the background, where this process is already
            return self._train(run_id, number + 1)
        return outcome in {"completed", "pruned"}

    @property
    def _launcher(self) -> str:
        return NAME if self._job is None else submission.NAME

    def _alone(self, run_id: str, number: int, note: str) -> Outcome | None:
        """Train a run in this process; None if its attempt could not be claimed."""
        try:
            attempt = self.store.claim(run_id, number, self._launcher)
        except AlreadyClaimed:  # another process stops or trains it
            return None
        except Exception as error:  # noqa: BLE001  deleted run, full disk: the next run must still train
            self.store.refuse(run_id, number, said(error))
            tell_of_end(self.store, run_id)
            return None
        tracking.begin(self.store, run_id, attempt)
        if note := self._noted(note):
            attempt.emit(Advised(level="warning", text=note))
        self._claimed(run_id, number)
        return self._execute(run_id, attempt)

    def _noted(self, note: str) -> str:
        """The warning that a run records first: that it did not wait, or that its job has other versions."""
        return note or (self._job.other_versions() if self._job is not None else "")

    def _together(self, run_id: str, number: int, count: int, note: str) -> Outcome:
        """Train a run on several ranks, which claim it themselves."""
        claimed = partial(self._claimed, run_id, number)
        return ranks.train(
            self.store,
            run_id,
            number,
            ranks=count,
            launcher=self._launcher,
            note=note,
            begun=claimed,
        )

    def _claimed(self, run_id: str, number: int) -> None:
        self.training = run_id, number
        if self._job is not None:  # whose the run is, of those that several jobs might have begun
            with suppress(StoreError):
                self._job.queue(self.store, run_id, number)
        if self.told_to_go.is_set():  # the signal arrived before the claim
            self._ask_to_stop(run_id, number)

    def _execute(self, run_id: str, attempt: Attempt) -> Outcome:
        """The outcome of training a claimed run; it fails if torch cannot be imported."""
        try:
            with suppress(OSError):  # on a full disk the output is lost and the run goes on
                _redirect_output(attempt)
            with loading():
                from revconsole.training import api  # loads torch, so only after the claim
        except NotLoaded as error:
            attempt.fail(Failed(reason=str(error)), traceback.format_exc())
            attempt.close()
            return "failed"
        return api.execute(self.store, run_id, attempt)


def main(arguments: list[str]) -> int:
    """Train the runs named on the command line; returns the exit status."""
    if len(arguments) < {SLOTS: 4, SEARCH: 3}.get("".join(arguments[1:2]), 2):
        sys.stderr.write(
            "usage: python -m revconsole.training STORE [--slots DEVICE,… NAME] RUN_ID[:ATTEMPT] …\n"
        )
        return 2
    store, *rest = arguments
    try:
        run_store = RunStore(Path(store))
        if started_by_torchrun():
            return rank.work(run_store, rest[0], _redirect_to, _train_as_rank)
        job = SlurmJob.of_this_process()
        line, ids, slots = _wanted(run_store, rest, job)
        queue = RunQueue(run_store, line, job)
        for name in PASSED_ON:
            signal.signal(name, queue.go)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        works: list[Callable[[], int]] = [partial(queue.work_in, slot) for slot in slots]
        works = works or [queue.work]
        if number := os.environ.pop(SUPERVISED, ""):
            return works[int(number)]()
        if not child.FORKS:
            works = [partial(queue.begin_anew, number) for number in range(len(works))]
        again = not isinstance(line, OwnLine)
        return supervised(run_store, ids, works, again=again)
    except RevconsoleError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _wanted(
    store: RunStore, words: list[str], job: SlurmJob | None
) -> tuple[Line, Callable[[], Iterable[str]], list[Slot]]:
    """What a command line asks for: the line of its workers, the ids of the runs in it, and the slots of the workers, if any."""
    if words[0] == SEARCH:
        launch = SearchLaunch.read(store, words[1])
        if job is not None:
            begun = job.to_begin(store, SearchLine(store, launch).ids())
            launch = replace(
                launch, runs=(*launch.runs, *(_numbered(store, each) for each in begun))
            )
        drawn = SearchLine(store, launch, job.id if job else None)
        return drawn, drawn.ids, slots_of(launch.slots, together=launch.name)
    shared = words[0] == SLOTS
    addresses = words[2 if shared else 0 :]
    if job is not None:
        addresses = job.to_begin(store, addresses)
    runs = [_numbered(store, address) for address in addresses]
    slots = slots_of(words[1].split(","), together=words[2]) if shared else []
    line = SharedLine(store, runs) if shared else OwnLine(runs)
    return line, lambda: [run_id for run_id, _ in runs], slots


def _train_as_rank(
    store: RunStore, run_id: str, attempt: Attempt | None, watch: RankWatch, notes: RankNotes
) -> Outcome:
    """Train a run as one of its ranks. Raises NotLoaded."""
    with loading():
        from revconsole.training import api  # as above
    if attempt is None:
        return api.take_part(store, run_id, watch, notes)
    return api.execute(store, run_id, attempt, watch)


def _numbered(store: RunStore, address: str) -> tuple[str, int]:
    run_id, _, number = address.partition(":")
    return run_id, int(number) if number.isdecimal() else store.next_attempt(run_id)


def _redirect_output(attempt: Attempt) -> None:
    """Redirect stdout and stderr of this process, also from C code, to the attempt's output.log."""
    _redirect_to(attempt.folder / OUTPUT_LOG)
    with suppress(OSError):  # output from before the claim belongs to the attempt
        (attempt.run_folder / LAUNCH_LOG).rename(attempt.folder / LAUNCH_LOG)


def _redirect_to(path: Path) -> None:
    """Redirect stdout and stderr of this process, also from C code, to the end of a file. Raises OSError."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, READABLE)
    set_mode(log)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # a follower sees a line once it is printed
    faulthandler.enable()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
