"""Writer: the thread that writes a recorded run, so that no disk ever holds up a training.

What is handed over waits in memory, bounded. The thread takes it a few times a second, adds samples of the process, and looks for
requests of the console. It never raises into the program: what goes wrong is said once on standard error.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from revconsole.errors import AlreadyClaimed, RevconsoleError, said
from revconsole.recording.claimed import ClaimedRun, WantedRecord, claimed
from revconsole.recording.handed import end_for, obey, obeyed
from revconsole.recording.metrics import LoggedMetrics, LoggedValues
from revconsole.recording.process_samples import ProcessSamples
from revconsole.records.logs.events import (
    Advised,
    Answered,
    Event,
    Failed,
    Finished,
    HandedOver,
    Logged,
    Scalar,
    Started,
)
from revconsole.records.runs.control import Control, Request

PERIOD_SECONDS = 0.25
"""How often the thread looks."""
REQUEST_SECONDS = 1.0
"""How often it looks for requests, which lists a folder."""
MOST_WAITING = 100_000
"""Calls of `log` that may wait in memory; later ones are lost, and counted."""
SAID = "revconsole: {}\n"

MOST_HELD = 1000
"""Events that are written at once."""
Job = Callable[[ClaimedRun], Event | None]
"""Work on the disk that is done in turn, such as to copy a file; returns what the log says of it."""
Entry = LoggedValues | Event | Job


class RecordWriter:
    """Writes one run in a thread of its own. facts: of the attempt. resumed_from: the step after which it goes on, if it is known. offers:
    whether the run is handed over to a program that asks for it; from then on only work on the disk is done, and its requests are seen.
    """

    def __init__(
        self,
        wanted: WantedRecord,
        facts: dict[str, Scalar],
        resumed_from: int | None,
        *,
        offers: bool = False,
    ) -> None:
        self._wanted, self._facts, self._resumed_from = wanted, facts, resumed_from
        self._samples, self._offers = ProcessSamples(), offers
        self._entries: deque[Entry] = deque()
        self._lost = 0
        self._metrics = LoggedMetrics()
        self._held: list[Event] = []
        self._told: set[str] = set()
        self._began = False
        self._step = 0
        self._stopping, self._ready = threading.Event(), threading.Event()
        self._end: Finished | Failed | None = None
        self._report = ""
        self.run: ClaimedRun | None = None
        """The run; None before it is there, and where it cannot be recorded."""
        self.stop: Request | None = None
        """A request to stop that somebody has made."""
        self.pause: Request | None = None
        """A request to pause that nobody has taken back."""
        self.obeyed = False
        """Whether the program knows that it is to stop."""
        self.handed = False
        """Whether another program writes the run now."""
        self._thread = threading.Thread(target=self._work, name="revconsole-record", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Hand something over; lost if too much waits already."""
        if len(self._entries) < MOST_WAITING:
            self._entries.append(entry)
        else:
            self._lost += 1

    def sample(self, pid: int) -> None:
        """Sample another process than this one."""
        self._samples = ProcessSamples(pid)

    def paused(self) -> bool:
        """Whether the run is to wait: somebody asked for it, and neither took it back nor asked to stop."""
        return self.pause is not None and self.stop is None

    def await_run(self, seconds: float) -> ClaimedRun | None:
        """The run, once its folder is there; None after `seconds`, or where it cannot be recorded."""
        self._ready.wait(seconds)
        return self.run

    def close(self, end: Finished | Failed, report: str, seconds: float) -> None:
        """Write everything that waits, and the end. report: a traceback. Gives up after `seconds`, and says so."""
        self._end, self._report = end, report
        self._stopping.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.say(f"the disk takes nothing: {len(self._entries)} entries of the run are lost")

    def say(self, sentence: str) -> None:
        """Say something on standard error, once."""
        if sentence not in self._told:
            self._told.add(sentence)
            with suppress(Exception):  # it may be closed
                sys.stderr.write(SAID.format(sentence))
                sys.stderr.flush()

    def _work(self) -> None:
        try:
            self.run = self._claimed()
        except Exception as error:  # noqa: BLE001  as below
            full = isinstance(error, OSError) and error.strerror
            why = f"no run can be made in {self._wanted.store}: {full}" if full else said(error)
            self.say(f"{why}; the training goes on and is not recorded")
            return
        finally:
            self._ready.set()
        try:
            self._write(self.run)
        except Exception as error:  # noqa: BLE001  nothing of ours may end a training
            self.say(f"recording ended: {said(error)}; the training goes on")
        finally:
            self.run.attempt.close()

    def _claimed(self) -> ClaimedRun:
        """The run; a new one, where that which was to go on is still written by somebody else. Raises as `claimed` does."""
        try:
            return claimed(self._wanted)
        except AlreadyClaimed as error:
            self.say(f"{error}; a new run is recorded")
            return claimed(replace(self._wanted, resume=False))

    def _write(self, run: ClaimedRun) -> None:
        control = Control(run.attempt.run_folder, run.attempt)
        if not run.goes_on or self._resumed_from is not None:
            self._begin(run, self._resumed_from)
        asked = 0.0
        while not self._stopping.wait(PERIOD_SECONDS):
            self._drain(run)
            if time.monotonic() - asked > (0.0 if self._offers else REQUEST_SECONDS):
                asked = time.monotonic()
                if not self.handed and not control.heartbeat():
                    self.say("the run was deleted or goes on elsewhere: nothing more is recorded")
                    return
                self._ask(run, control)
        self._drain(run)
        self._finish(run, control)
        self._samples.close()

    def _begin(self, run: ClaimedRun, resumed_from: int | None) -> None:
        """Write that the attempt begins, which other events wait for."""
        self._began, self._step = True, resumed_from or 0
        run.attempt.emit(Started(facts=self._facts, resumed_from=resumed_from))

    def _drain(self, run: ClaimedRun) -> None:
        """Write what waits, then how the process is."""
        for left in reversed(range(len(self._entries))):
            entry = self._entries.popleft()
            if isinstance(entry, LoggedValues):
                if not self._began:  # what an earlier attempt wrote from here on is superseded
                    self._begin(run, max(0, entry.step - 1))
                self._step = entry.step
                if not left:  # the last of a report has the memory, by which its time is known
                    entry = entry._replace(values={**entry.values, **self._samples.of_report()})
            self._held.extend(self._events(entry, run))
            if len(self._held) > MOST_HELD:
                self._write_held(run)
        self._held.extend(
            self._metrics.sample(self._step, self._samples.of_machine() if self._step else {})
        )
        self._complain()
        self._write_held(run)

    def _events(self, entry: Entry, run: ClaimedRun) -> Iterator[Event]:
        """What an entry has to say; a sentence, if it cannot be taken."""
        try:
            if isinstance(entry, LoggedValues):
                yield from self._metrics.events(entry)
            elif callable(entry):
                if event := entry(run):
                    yield event
            else:
                yield entry
        except Exception as error:  # noqa: BLE001  a value of others may raise anything
            self._metrics.complaints.setdefault(
                f"entry {type(error)}", f"something was not recorded: {said(error)}"
            )

    def _write_held(self, run: ClaimedRun) -> None:
        """Write the events by one call of the system: at each the training's thread takes Python's lock, and this one awaits it."""
        if self._began and self._held:
            run.attempt.emit(*self._held)
            self._held.clear()

    def _complain(self) -> None:
        """Say each new complaint once, on standard error and in the log of the run."""
        if self._lost:
            lost, self._lost = self._lost, 0
            self._metrics.complaints[f"lost {time.time()}"] = (
                f"{lost:,} entries were lost: {MOST_WAITING:,} waited already, more than could be written"
            )
        for sentence in self._metrics.complaints.values():
            if sentence not in self._told:
                self.say(sentence)
                self._held.append(Advised(level="warning", text=sentence))

    def _ask(self, run: ClaimedRun, control: Control) -> None:
        """Look for requests of the console and the command line, and of a program that takes the run."""
        pending = control.pending()
        if self.handed:
            self.stop = next((request for request in pending if request.verb == "stop"), None)
            self.obeyed = obeyed(run.attempt.run_folder)
            return
        for request in pending:
            match request.verb:
                case "stop":
                    self.stop = request
                    if self.obeyed and self._wanted.offered is not None:
                        obey(run.attempt)
                case "handover" if self._offers:
                    control.answered(request)
                    self._hand_over(run, request)
                    return
                case "pause":
                    self.pause = request
                    control.answered(request)
                case _:
                    self.pause = None
                    control.answered(request)

    def _hand_over(self, run: ClaimedRun, request: Request) -> None:
        """End this attempt for the program that asks for the run."""
        if not self._began:
            self._begin(run, self._step or None)
        self._write_held(run)
        run.attempt.emit(HandedOver(step=self._step, to=request.by))
        self.handed, self._offers = True, False

    def _finish(self, run: ClaimedRun, control: Control) -> None:
        if self.handed:
            with suppress(RevconsoleError, OSError):
                end_for(run.attempt.run_folder, self._end or Finished(outcome="completed", step=0))
            return
        if not self._began:
            self._begin(run, self._step or None)
        self._write_held(run)
        if self.stop is not None:
            run.attempt.emit(Answered(verb="stop", by=self.stop.by, step=self._step))
            control.answered(self.stop)
        if isinstance(self._end, Failed):
            run.attempt.fail(self._end, self._report)
        else:
            end = self._end or Finished(outcome="completed", step=self._step)
            with suppress(RevconsoleError):
                run.attempt.emit(self._ended(end))
        if run.attempt.problem:
            self.say(run.attempt.problem)

    def _ended(self, end: Finished) -> Finished:
        """The end at the last step; on request if somebody asked for it."""
        by, outcome = end.by, end.outcome
        if self.stop is not None and outcome == "completed":
            by, outcome = self.stop.by, "stopped"
        return Finished(outcome=outcome, step=self._step, by=by)


def text_event(text: str) -> Event:
    """A line for the log of a run."""
    return Logged(text=text)
