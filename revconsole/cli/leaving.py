"""Leaving: what happens to the runs of this command when it is interrupted.

Ctrl-C or SIGTERM    runs stop after the current step with a checkpoint; a second signal ends them at once
lost terminal        runs continue in a background process, without losing a step
both                 the first of the two decides
stderr is full       runs continue, their messages are dropped
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

import typer

from revconsole.cli import output
from revconsole.errors import RevconsoleError

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab
    from revconsole.lab.pool import Pool


class AskedToLeave(BaseException):
    """Raised by the first signal that asks the command to end."""


class Signals:
    """The signals that this command has received; the first decides how it ends."""

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.over = False
        """Whether all runs are safe, so that further signals are ignored."""
        self._insisted = self._waiting = False

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler: raises AskedToLeave for the first signal, and for a second Ctrl-C or SIGTERM during `insisted`."""
        name = signal.Signals(number)
        if self.over:
            return
        if self.first is None:
            self.first = name
            raise AskedToLeave
        if name is signal.SIGHUP:
            output.silence(sys.stdout, sys.stderr)
        elif self.first is not signal.SIGHUP:
            self._insisted = True
            if self._waiting:
                raise AskedToLeave

    def insisted(self, lab: "Lab | Pool") -> bool:
        """Wait for the runs of this process; returns True as soon as a second signal asks not to wait."""
        try:
            self._waiting = True
            if not self._insisted:
                lab.wait()
        except AskedToLeave:
            return True
        finally:
            self._waiting = False
        return self._insisted


@contextmanager
def runs_secured(lab: "Lab | Pool") -> Iterator[None]:
    """Context for code that launches runs in this process and waits for them.

    Raises typer.Exit when the runs are safe after a signal. Other exceptions are raised again once the runs continue in a
    background process.
    """
    signals = Signals()
    with _taken(signals):
        try:
            yield
            lab.wait()  # a run is over before its thread is: leaving while that frees a large model aborts the process
            signals.over = True
        except AskedToLeave:
            raise typer.Exit(_left(lab, signals)) from None
        except OSError as error:
            signals.first = signals.first or signal.SIGHUP
            if error.errno not in output.LOST:
                _hand_over(lab, "the command failed")
                raise
            raise typer.Exit(_left(lab, signals)) from None
        except Exception:
            signals.first = signals.first or signal.SIGHUP
            _hand_over(lab, "the command failed")
            raise


def _left(lab: "Lab | Pool", signals: Signals) -> int:
    """Stop the runs or hand them over, depending on the first signal; returns the exit code."""
    first = signals.first or signal.SIGHUP
    if first is signal.SIGHUP:
        output.silence(sys.stdout, sys.stderr)
        _hand_over(lab, "its terminal was lost")
    else:
        _stop(lab, signals, "Ctrl-C" if first is signal.SIGINT else first.name)
    return 128 + first


def _stop(lab: "Lab | Pool", signals: Signals, why: str) -> None:
    """Stop the runs after their step; at a second signal, exit without waiting."""
    _say(_stopping(lab))
    lab.stop_all(why)
    if signals.insisted(lab):
        lab.end_all_now(f"{why} twice")
        _say("ended at once; `revconsole resume` continues from the last checkpoint")
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(128 + (signals.first or 0))  # the step under way would hold an orderly exit up


def _stopping(lab: "Lab | Pool") -> str:
    """What becomes of the runs of this command."""
    with suppress(RevconsoleError):
        if all(lab.summary(run_id).state == "queued" for run_id in lab.busy()):
            return "taken out of the queue: nothing had begun"
    return "stopping after this step; press Ctrl-C again to quit at once"


def _hand_over(lab: "Lab | Pool", why: str) -> None:
    """Let a background process continue the runs, and wait until it has them."""
    try:
        lab.hand_all_over(why)
    except RevconsoleError as error:
        _say(str(error))
    lab.wait()


def _say(text: str) -> None:
    """Print a sentence if stderr still takes it."""
    try:
        output.say(text)
    except (OSError, ValueError):
        output.silence(sys.stdout, sys.stderr)


@contextmanager
def _taken(signals: Signals) -> Iterator[None]:
    """Handle SIGINT, SIGTERM and SIGHUP in this context; a SIGHUP that is ignored (nohup) stays ignored."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {name: signal.signal(name, signals.take) for name in wanted}
    try:
        yield
    finally:
        for name, taken_before in before.items():
            signal.signal(name, taken_before)
