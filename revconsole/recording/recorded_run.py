"""Recorded run: what a training loop of one's own holds in its hands. Nothing here raises, and no call waits for the disk."""

import atexit
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from revconsole.errors import said
from revconsole.recording import artifacts
from revconsole.recording.metrics import LoggedValues
from revconsole.recording.numbers import Number, taken
from revconsole.recording.writer import RecordWriter, text_event
from revconsole.records.logs.events import Answered, Confused, Failed, Finished

READY_SECONDS = 5.0
"""Longest wait for the folder of a run where its id is asked for."""
END_SECONDS = 35.0
"""Longest wait for the disk at the end."""
LOOK_SECONDS = 0.1
MEMORY = ("OutOfMemory", "MemoryError")
"""In the names of errors that say that memory ran out."""
MOST_STEPS = 2**62

P = ParamSpec("P")
R = TypeVar("R")


def _quiet(otherwise: R) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Methods that return `otherwise` instead of raising; the first reason of each kind is said."""

    def decorated(method: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(method)
        def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  nothing of ours may end a training
                run = args[0]
                if isinstance(run, RecordedRun):
                    run.say(f"{method.__name__}: {said(error)}")
                return otherwise

        return quiet

    return decorated


class RecordedRun:
    """A run that this program trains and revconsole records. Make one with `revconsole.record`.

    writer: None for a process that records nothing, such as a rank other than the first.
    """

    def __init__(self, writer: RecordWriter | None) -> None:
        self._writer, self._pid = writer, os.getpid()
        self._step, self._over = 0, writer is None
        if writer is not None:
            atexit.register(self._at_exit)

    @property
    def id(self) -> str:
        """The id of the run; empty where nothing is recorded, or the disk has not answered in five seconds."""
        run = self._writer.await_run(READY_SECONDS) if self._writer else None
        return run.id if run else ""

    @property
    def folder(self) -> Path | None:
        """The folder of the run; None where `id` is empty."""
        run = self._writer.await_run(READY_SECONDS) if self._writer else None
        return run.attempt.run_folder if run else None

    @_quiet(None)
    def log(
        self,
        step: int | None = None,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        epoch: float | None = None,
        at: Mapping[str, Any] | None = None,
        **metrics: Any,
    ) -> None:
        """Record metrics at a step; each is declared when it is first used.

        step: counted from 1, in any order; the next one if it is left out. values: metrics whose names are no words of
        Python. epoch: how many epochs are done. at: several counters, such as `{"step": s, "tokens": t}`; `step` is the step,
        the others become metrics, over which charts can be drawn. A number may be of any library; a tensor on a device is read
        later, without a wait. What is no number is left out, and said once.
        """
        writer = self._writer
        if writer is None or self._inactive():
            return
        if values:
            metrics.update(values)
        if at:
            metrics.update(at)
            step = metrics.pop("step", None) if step is None else step
        here = self._step + 1 if step is None else int(step)
        if not 0 <= here < MOST_STEPS:
            raise ValueError(f"step {here} is not between 0 and 2**62")
        if step is not None and here != step:
            self.say("a step is a whole number and is cut to one; parts of an epoch are `epoch=`")
        self._step = here
        for name, value in metrics.items():
            if type(value) is not float:
                metrics[name] = self._taken(name, value)
        done = None if epoch is None else int(epoch)
        writer.put(LoggedValues(self._step, done, metrics))

    def _taken(self, name: str, value: Any) -> Number | None:
        """The number of a value; None for what is none, which is said."""
        try:
            return taken(value)
        except Exception as error:  # noqa: BLE001  values of any library
            self.say(f"{name} is not recorded: {type(value).__name__}: {said(error)}")
            return None

    @_quiet(None)
    def text(self, line: str) -> None:
        """Write a line into the log of the run."""
        if not self._inactive() and self._writer is not None:
            self._writer.put(text_event(str(line)[:10_000]))

    @_quiet(None)
    def confusion(
        self, counts: Sequence[Sequence[int]], names: Sequence[str] | None = None
    ) -> None:
        """Record a confusion matrix: `counts[i][j]` samples of class i were taken for class j; names: of the classes."""
        rows = [[int(number) for number in row] for row in counts]
        words = [str(name) for name in names or range(len(rows))]
        if any(len(row) != len(rows) for row in rows) or len(words) != len(rows):
            raise ValueError("a confusion matrix is square, with a name for each class")
        if not self._inactive() and self._writer is not None:
            self._writer.put(Confused(step=self._step, names=words, counts=rows))

    @_quiet(None)
    def artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a copy of a file in the folder of the run, under `artifacts/`, soon. name: of the copy."""
        if not self._inactive() and self._writer is not None:
            self._writer.put(artifacts.copied(Path(path).absolute(), name))

    @_quiet(None)
    def image(self, name: str, image: Any) -> None:
        """Keep an image as PNG in the folder of the run, under `artifacts/`, with the step in its name.

        image: of PIL; an array or tensor of shape (H, W), (H, W, 1 or 3) or (1 or 3, H, W), uint8 or fractions of 1; or the path
        of a file.
        """
        if not self._inactive() and self._writer is not None:
            self._writer.put(artifacts.drawn(name, image, self._step))

    @_quiet(otherwise=False)
    def stop_asked(self) -> bool:
        """Whether somebody asked the run to stop, in the console or by `revconsole stop`; while it is asked to pause, this waits.

        Call it between two steps. It touches no disk.
        """
        writer = self._writer
        if self._inactive() or writer is None:
            return False
        if pause := writer.pause:
            writer.put(Answered(verb="pause", by=pause.by, step=self._step))
            while writer.paused():
                time.sleep(LOOK_SECONDS)
            writer.put(Answered(verb="continue", by=pause.by, step=self._step))
        writer.obeyed = writer.stop is not None
        return writer.obeyed

    @_quiet(None)
    def finish(self, error: BaseException | None = None) -> None:
        """End the run: completed, or with the error that ended it. Waits until all is on the disk, for 35 seconds at most."""
        if self._inactive() or self._writer is None:
            return
        self._over = True
        atexit.unregister(self._at_exit)
        end, report = _end(error)
        self._writer.close(end, report, END_SECONDS)

    def say(self, sentence: str) -> None:
        """Say something about the recording on standard error, once."""
        if self._writer is not None:
            self._writer.say(sentence)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish(error)

    def _inactive(self) -> bool:
        """Whether the run is over, or this is a process that was forked from the one that trains."""
        return self._over or os.getpid() != self._pid

    def _at_exit(self) -> None:
        """End a run that nobody ended: it failed if an exception ended the program."""
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        self.finish(error)


def _end(error: BaseException | None) -> tuple[Finished | Failed, str]:
    """The last event for an error, and its traceback."""
    if error is None or (isinstance(error, SystemExit) and error.code in {0, None}):
        return Finished(outcome="completed", step=0), ""
    if isinstance(error, KeyboardInterrupt):
        return Finished(outcome="stopped", step=0, by="Ctrl-C"), ""
    kind = type(error).__name__
    memory = any(word in kind for word in MEMORY)
    report = "".join(traceback.format_exception(error))
    text = " ".join(f"{kind}: {error}".split())[:600]
    return Failed(reason=text, cause="memory" if memory else ""), report
