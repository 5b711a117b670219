"""Terminal: what the console must know of it, and how the process ends when it is gone.

A Textual program whose terminal vanished dies of SIGHUP without a last word, or, where SIGHUP is ignored, spins
on an input that is at its end. Here both end in one `leave`, and a terminal that hangs cannot hold the process.
"""

import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

WATCH_SECONDS, GRACE_SECONDS = 0.5, 1.0
SIGNALS = (signal.SIGHUP, signal.SIGTERM)
HUNG_UP, TERMINATED = (128 + number for number in SIGNALS)
"""Exit codes, as a shell gives them for a process that died of the signal."""


def still_life(environment: Mapping[str, str]) -> bool:
    """Whether nothing should move: over a remote line, unless the user said otherwise."""
    if environment.get("TEXTUAL_ANIMATIONS"):
        return False
    return any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"))


def own_size(environment: MutableMapping[str, str]) -> None:
    """Let the terminal say how large it is. COLUMNS and LINES, once exported, would hold the console at one size."""
    with suppress(OSError, ValueError):  # it is no terminal
        if sys.__stdout__ and os.get_terminal_size(sys.__stdout__.fileno()).columns:
            for name in ("COLUMNS", "LINES"):
                environment.pop(name, None)


def gone() -> bool:
    """Whether the terminal on stdin has been taken away."""
    try:
        termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (termios.error, ValueError):
        return True
    return False


def watch(leave: Callable[[int], None]) -> Callable[[], None]:
    """Call `leave(exit code)` from a thread once the terminal is gone; returns how to stop watching."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(WATCH_SECONDS):
            if gone():
                leave(HUNG_UP)
                return

    if not gone():
        threading.Thread(target=work, name="terminal-watch", daemon=True).start()
    return ended.set


def on_signals(leave: Callable[[int], None]) -> None:
    """Call `leave(exit code)` when asked to go. Needs the main thread and a running event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, leave, 128 + number)


def kept(picture: Callable[[Path], object], folders: Sequence[Path]) -> tuple[Path | None, str]:
    """Write a picture into the first of these folders that takes it: where it is, or why it is nowhere."""
    reasons = []
    for folder in folders:
        try:
            picture(folder)
        except OSError as error:
            reasons.append(f"{error.strerror or error}: {folder}")
        else:
            return folder, ""
    return None, "; ".join(reasons)


def vanish(code: int) -> None:
    """End the process now. Everything is written; the orderly way takes seconds once torch is loaded."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def depart(code: int, tidy_up: Callable[[], object]) -> None:
    """End the process for certain: `tidy_up` in a thread, leave time for a graceful end, then exit.

    Needed because a write to a terminal that hangs never returns, and then no graceful end comes.
    """

    def work() -> None:
        try:
            tidy_up()
            time.sleep(GRACE_SECONDS)
        finally:
            os._exit(code)

    threading.Thread(target=work, name="departure", daemon=True).start()
