"""Terminal: size and loss of the terminal, and how the process ends without it.

A Textual program whose terminal vanished dies of SIGHUP uncleanly, or spins where SIGHUP is ignored. Here one `leave` ends
both, and a terminal that hangs cannot block the process.
"""

import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

from revconsole.lab.curves.cells import usual_marker

WATCH_SECONDS, GRACE_SECONDS = 0.5, 1.0
SIGNALS = (signal.SIGHUP, signal.SIGTERM)
HUNG_UP, TERMINATED = (128 + number for number in SIGNALS)
"""Exit codes, as a shell reports them for a process killed by the signal."""


def still_life(environment: Mapping[str, str]) -> bool:
    """Whether animations are off: on a remote line, unless the user asked for them."""
    return remote(environment) and not environment.get("TEXTUAL_ANIMATIONS")


def remote(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is at the other end of a line."""
    return any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION"))


def in_browser(environment: Mapping[str, str]) -> bool:
    """Whether the console is shown in a browser, by `serve`, and has no terminal."""
    return bool(environment.get("TEXTUAL_DRIVER"))


def plain(environment: Mapping[str, str]) -> bool:
    """Whether the terminal has no Unicode, by the test that the charts use; a browser has it."""
    return usual_marker(environment) == "ascii" and not in_browser(environment)


def own_size(environment: MutableMapping[str, str]) -> None:
    """Use the size that the terminal reports; exported COLUMNS and LINES would fix the console at one size."""
    with suppress(OSError, ValueError):  # it is no terminal
        if sys.__stdout__ and os.get_terminal_size(sys.__stdout__.fileno()).columns:
            for name in ("COLUMNS", "LINES"):
                environment.pop(name, None)


def gone() -> bool:
    """Whether the terminal on stdin no longer exists."""
    try:
        termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (termios.error, ValueError):
        return True
    return False


def takes_more() -> bool:
    """Whether the terminal takes output now; not while it has still to take what was written before."""
    with suppress(OSError, ValueError):  # it is no terminal, or gone
        return sys.__stderr__ is None or bool(
            select.select([], [sys.__stderr__.fileno()], [], 0)[1]
        )
    return True


def deserted(parent: int) -> bool:
    """Whether the process that this console was started by, as the server of its page, no longer exists."""
    return os.getppid() != parent


def watch(leave: Callable[[int], None]) -> Callable[[], None]:
    """Call `leave(exit code)` from a thread once the terminal is gone; returns a function that ends the watch."""
    ended, parent = threading.Event(), os.getppid()

    def lost() -> bool:
        return deserted(parent) if in_browser(os.environ) else gone()

    def work() -> None:
        while not ended.wait(WATCH_SECONDS):
            if lost():
                leave(HUNG_UP)
                return

    if not lost():
        threading.Thread(target=work, name="terminal-watch", daemon=True).start()
    return ended.set


def on_signals(leave: Callable[[int], None]) -> None:
    """Call `leave(exit code)` at SIGTERM or SIGHUP. Needs the main thread and a running event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, leave, 128 + number)


def kept(
    picture: Callable[[Path], object], name: str, folders: Sequence[Path]
) -> tuple[Path | None, str]:
    """Write a picture of a name into the first of these folders that accepts it; returns the folder, or why none did."""
    reasons = []
    for folder in folders:
        new = not os.path.lexists(folder / name)
        try:
            picture(folder)
        except OSError as error:
            with suppress(OSError):
                if new:  # on a full disk an empty file is left
                    (folder / name).unlink(missing_ok=True)
            reasons.append(f"{error.strerror or error}: {folder}")
        else:
            return folder, ""
    return None, "; ".join(reasons)


def vanish(code: int) -> None:
    """End the process at once. Everything is written already; the orderly way takes seconds once torch is imported."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def depart(code: int, tidy_up: Callable[[], object]) -> None:
    """End the process for certain, though a write to a hanging terminal never returns: run `tidy_up` in a thread, wait, exit."""

    def work() -> None:
        try:
            tidy_up()
            time.sleep(GRACE_SECONDS)
        finally:
            os._exit(code)

    threading.Thread(target=work, name="departure", daemon=True).start()
