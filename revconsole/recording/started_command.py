"""Started command: any command as a run: its output kept and shown, metrics picked from its lines, stopped and paused from the console."""

import errno
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from revconsole.errors import said
from revconsole.recording.claimed import ClaimedRun, WantedRecord
from revconsole.recording.handed import offer
from revconsole.recording.metrics import LoggedValues
from revconsole.recording.printed_metrics import PrintedMetrics
from revconsole.recording.recorded_run import END_SECONDS, MEMORY, READY_SECONDS
from revconsole.recording.writer import RecordWriter
from revconsole.records.files.shared import READABLE, set_mode
from revconsole.records.given import GivenValue
from revconsole.records.logs.events import Answered, Failed, Finished
from revconsole.records.printable import one_line

PROGRAM = "revconsole run"
OUTPUT_LOG = "output.log"
READ_BYTES = 1 << 16
MOST_OUTPUT = 64 * 2**20
"""Bytes of output that are kept of a run; later ones are shown only."""
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 30.0
"""Seconds from one signal to the next, when a command that is to stop does not."""
LINGER_SECONDS = 1.0
"""Seconds for which output of what a command left behind is awaited."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
"""Signals by which a command is asked to stop, one after the other."""
OPTION = re.compile(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)


def settings_of(words: Sequence[str]) -> dict[str, GivenValue]:
    """The settings on a command line: `--lr 0.1`, `--lr=0.1`, `lr=0.1`, and a switch `--amp` as true."""
    found: dict[str, GivenValue] = {}
    waiting = ""
    for word in words:
        option = OPTION.fullmatch(word) if word.startswith("-") and not _is_number(word) else None
        if option:
            waiting = "" if option[2] is not None else option[1]
            found[option[1].replace("-", "_")] = True if option[2] is None else _value(option[2])
        elif waiting:
            found[waiting.replace("-", "_")] = _value(word)
            waiting = ""
        elif re.fullmatch(r"[A-Za-z][\w.]*=.*", word, re.DOTALL):
            name, _, value = word.partition("=")
            found[name] = _value(value)
    return found


def name_of(words: Sequence[str]) -> str:
    """What a command is called: its script, else its program."""
    script = next((word for word in words if word.endswith((".py", ".sh"))), words[0])
    return Path(script).stem or "run"


@dataclass
class StartedCommand:
    """A command that runs. Make one with `start`, then `follow` it to its end."""

    process: "subprocess.Popen[bytes]"
    writer: RecordWriter
    metrics: PrintedMetrics

    def __post_init__(self) -> None:
        self._step = self._kept = self._signals = 0
        self._rest, self._last, self._asked_by, self._paused_by = b"", "", "", ""
        self._signalled, self._paused, self._counts = 0.0, False, False
        self._asked_at = 0.0

    @classmethod
    def start(
        cls, words: Sequence[str], wanted: WantedRecord, metrics: PrintedMetrics, *, named: bool
    ) -> "StartedCommand":
        """Start the run, and the command in a process group of its own. named: whether a person has named the run.

        Raises OSError if the command cannot be started; there is no run then, or one that failed.
        """
        if shutil.which(words[0]) is None:
            missing = errno.EACCES if Path(words[0]).is_file() else errno.ENOENT
            raise OSError(missing, os.strerror(missing))
        writer = RecordWriter(wanted, {"command": " ".join(words)[:300]}, None, offers=True)
        run = writer.await_run(READY_SECONDS)
        try:
            process = cls._opened(words, offer(run.attempt.run_folder, named=named) if run else {})
        except (OSError, ValueError) as error:
            writer.close(Failed(reason=f"cannot be started: {said(error)}"), "", END_SECONDS)
            raise
        writer.sample(process.pid)
        return cls(process, writer, metrics)

    @classmethod
    def _opened(
        cls, words: Sequence[str], environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:  # what this process ignores, as one in the background does, the command would ignore too
            return cls._popen(words, environment)
        finally:
            signal.signal(signal.SIGINT, former)

    @staticmethod
    def _popen(words: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  the user's own command, no shell
            words,
            stdin=subprocess.DEVNULL if sys.stdin.isatty() else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            process_group=0,
        )

    def follow(self) -> int:
        """Show and keep the output until the command has ended; returns its exit status, 128 + n for signal n."""
        former = {n: signal.signal(n, self._signal) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._read_to_end()
            status = self.process.wait()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            if self.process.stdout:
                self.process.stdout.close()
        self.writer.close(self._end(status), "", END_SECONDS)
        return 128 - status if status < 0 else status

    def _read_to_end(self) -> None:
        """Read output until the command has ended, and what it left behind says nothing more."""
        output = [self.process.stdout.fileno()] if self.process.stdout else []
        heard = time.monotonic()
        while self.process.poll() is None or (output and time.monotonic() - heard < LINGER_SECONDS):
            ready, _, _ = select.select(output, [], [], LOOK_SECONDS)
            chunk = os.read(output[0], READ_BYTES) if ready else b""
            if chunk:
                heard = time.monotonic()
                self._take(chunk)
            elif ready:
                output = []
            self._obey()
        self._lines(b"\n")

    def _take(self, chunk: bytes) -> None:
        """Show output, keep it, and read its lines."""
        with suppress(OSError):  # whoever read it has gone
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        if self._kept < MOST_OUTPUT:
            self._kept += len(chunk)
            self.writer.put(lambda run: _append(run, chunk))
        self._lines(chunk)

    def _lines(self, chunk: bytes) -> None:
        *whole, self._rest = re.split(rb"[\r\n]", self._rest + chunk)
        self._rest = self._rest[-READ_BYTES:]
        for raw in whole:
            line = raw.decode(errors="replace")
            self._last = line if line.strip() else self._last
            found = self.metrics.of(line)
            if found is not None:
                self._counts = self._counts or found.step is not None
                next_one = self._step if self._counts else self._step + 1
                self._step = next_one if found.step is None else found.step
                self.writer.put(LoggedValues(self._step, found.epoch, found.values))

    def _signal(self, number: int, _frame: FrameType | None) -> None:
        """Ctrl-C and SIGTERM go to the command, harder each time."""
        self._asked_by = self._asked_by or signal.Signals(number).name.replace("SIGINT", "Ctrl-C")
        self._ask_to_end()

    def _obey(self) -> None:
        """Pass on what the console asks for."""
        if self.writer.stop is not None and not self._signals and self._is_due():
            self._asked_by = self.writer.stop.by
            self._ask_to_end()
        if self._signals and time.monotonic() - self._signalled > PATIENCE_SECONDS:
            self._ask_to_end()
        paused, pause = self.writer.paused(), self.writer.pause
        if paused == self._paused:
            return
        self._paused, self._paused_by = paused, pause.by if pause else self._paused_by
        self._send(signal.SIGSTOP if paused else signal.SIGCONT)
        verb = "pause" if paused else "continue"
        self.writer.put(Answered(verb=verb, by=self._paused_by, step=self._step))

    def _is_due(self) -> bool:
        """Whether the command is to be signalled now; one that records itself has been asked, and is left time."""
        self._asked_at = self._asked_at or time.monotonic()
        waits = time.monotonic() - self._asked_at < PATIENCE_SECONDS or self.writer.obeyed
        return not (self.writer.handed and waits)

    def _ask_to_end(self) -> None:
        number = ENDING[min(self._signals, len(ENDING) - 1)]
        self._signals, self._signalled = self._signals + 1, time.monotonic()
        self._send(number)
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _end(self, status: int) -> Finished | Failed:
        """How the run ended."""
        if self._asked_by and self.writer.stop is None:
            return Finished(outcome="stopped", step=0, by=self._asked_by)
        if status == 0 or self._asked_by:
            return Finished(outcome="completed", step=0)
        last = one_line(self._last, 300)
        how = f"ended by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        memory = any(word in last for word in MEMORY)
        return Failed(reason=f"{how}: {last}" if last else how, cause="memory" if memory else "")


def _append(run: ClaimedRun, chunk: bytes) -> None:
    path = run.attempt.folder / OUTPUT_LOG
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, READABLE)
    try:
        set_mode(file)
        os.write(file, chunk)
    finally:
        os.close(file)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_number(text: str) -> bool:
    return isinstance(_value(text), int | float)


def _value(text: str) -> GivenValue:
    """A number if it is one, else the text."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
