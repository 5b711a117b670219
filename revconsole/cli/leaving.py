"""Leaving: what becomes of the runs that train in this command when it has to go.

Ctrl-C, SIGTERM      they stop after the step they are in, with a checkpoint; a second one ends them at once
the terminal is lost they go on in a background process, from the step they are in
both                 what came first is done, and the other does not disturb it
its words find no room they train on, unheard
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from revconsole.cli import output
from revconsole.errors import RevconsoleError
from revconsole.lab.lab import Lab


class AskedToLeave(BaseException):
    """A signal wants the command to leave."""


class Signals:
    """What the signals of this command have asked for: the first decides how it leaves."""

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.over = False
        """Whether the runs are safe, and nothing is left to be asked."""
        self._insisted = self._waiting = False

    def take(self, number: int, _frame: FrameType | None) -> None:
        """Raise AskedToLeave for the first signal, and for another Ctrl-C or SIGTERM while `insisted` waits."""
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

    def insisted(self, lab: Lab) -> bool:
        """Wait for the runs of this process; whether somebody asked again, and does not want to."""
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
def runs_secured(lab: Lab) -> Iterator[None]:
    """Around whatever launches runs in this process and waits for them.

    Raises typer.Exit once they are safe, and what is raised within once they go on in a background process.
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


def _left(lab: Lab, signals: Signals) -> int:
    """Bring the runs into safety as the first signal wants it; the exit code."""
    first = signals.first or signal.SIGHUP
    if first is signal.SIGHUP:
        output.silence(sys.stdout, sys.stderr)
        _hand_over(lab, "its terminal was lost")
    else:
        _stop(lab, signals, "Ctrl-C" if first is signal.SIGINT else first.name)
    return 128 + first


def _stop(lab: Lab, signals: Signals, why: str) -> None:
    """Stop the runs gracefully; a second signal does not wait for the step."""
    _say("stopping after this step; press Ctrl-C again to leave at once")
    lab.stop_all(why)
    if signals.insisted(lab):
        lab.end_all_now(f"{why} twice")
        _say("left at once; `revconsole resume` goes on from the last checkpoint")
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(128 + (signals.first or 0))  # the step under way would hold an orderly exit up


def _hand_over(lab: Lab, why: str) -> None:
    """Let the runs go on in the background, and wait until they have gone."""
    try:
        lab.hand_all_over(why)
    except RevconsoleError as error:
        _say(str(error))
    lab.wait()


def _say(text: str) -> None:
    """Say something, to whoever still listens."""
    try:
        output.say(text)
    except (OSError, ValueError):
        output.silence(sys.stdout, sys.stderr)


@contextmanager
def _taken(signals: Signals) -> Iterator[None]:
    """Let the signals be taken; SIGHUP stays ignored where it is (nohup)."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {name: signal.signal(name, signals.take) for name in wanted}
    try:
        yield
    finally:
        for name, taken_before in before.items():
            signal.signal(name, taken_before)
