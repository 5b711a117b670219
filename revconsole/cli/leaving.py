"""Leaving: what becomes of the runs that train in this command when it has to go.

Ctrl-C, SIGTERM      they stop after the step they are in, with a checkpoint; a second one ends them at once
the terminal is lost they go on in a background process, from the step they are in
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from revconsole.cli import output
from revconsole.errors import RevconsoleError

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab

HUNG_UP, TERMINATED, INTERRUPTED = 128 + signal.SIGHUP, 128 + signal.SIGTERM, 128 + signal.SIGINT
LOST = {errno.EIO, errno.EPIPE}
"""Errors of writing to a terminal, or a pipe, that nobody holds any more."""


class Terminated(BaseException):
    """SIGTERM: somebody wants the command to end."""


class HungUp(BaseException):
    """SIGHUP: the terminal is gone."""


@contextmanager
def runs_secured(lab: "Lab") -> Iterator[None]:
    """Around whatever waits for runs of this process; raises typer.Exit once they are safe."""
    with _signals_raise():
        try:
            yield
            lab.wait()  # a run is over before its thread is: leaving while that frees a large model aborts the process
        except KeyboardInterrupt:
            raise typer.Exit(_stopped(lab, "Ctrl-C", INTERRUPTED)) from None
        except Terminated:
            raise typer.Exit(_stopped(lab, "SIGTERM", TERMINATED)) from None
        except HungUp:
            raise typer.Exit(_handed_over(lab)) from None
        except OSError as error:
            if error.errno not in LOST:
                raise
            raise typer.Exit(_handed_over(lab)) from None


def _stopped(lab: "Lab", why: str, code: int) -> int:
    """Stop the runs gracefully; a second signal does not wait for the step."""
    output.say("stopping after this step; press Ctrl-C again to leave at once")
    try:
        lab.stop_all(why)
        lab.wait()
    except (KeyboardInterrupt, Terminated):
        lab.end_all_now(f"{why} twice")
        output.say("left at once; `revconsole resume` goes on from the last checkpoint")
        sys.stderr.flush()
        os._exit(code)  # the step under way would hold an orderly exit up
    except RevconsoleError as error:
        output.say(str(error))
    return code


def _handed_over(lab: "Lab") -> int:
    """Nobody reads what is said from here on."""
    for name in (signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    lab.hand_all_over("its terminal was lost")
    lab.wait()
    return HUNG_UP


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise in this thread; SIGHUP stays ignored where it is (nohup)."""
    wanted: dict[signal.Signals, type[BaseException]] = {signal.SIGTERM: Terminated}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted[signal.SIGHUP] = HungUp
    before = {name: signal.signal(name, _raiser(error)) for name, error in wanted.items()}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _raiser(error: type[BaseException]) -> "signal._HANDLER":
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise error

    return interrupt
