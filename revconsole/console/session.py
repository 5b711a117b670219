"""Session: the console from its opening to the moment when its terminal is given back and its runs are safe."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from revconsole.console.first_look import ALONE_SECONDS, FirstLook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revconsole.lab.lab import Lab
    from revconsole.records.config.config import Config


def run_console(
    lab: Lab | Path,
    opened: Sequence[str] = (),
    *,
    config: Config | None = None,
    demo: bool = False,
) -> int:
    """Open the console until the user leaves; returns the exit code. lab: or the folder of its store.

    Raises RevconsoleError if the store cannot be opened.
    """
    gc.disable()  # until all is imported: `Console` enables it again
    look = FirstLook(lab) if isinstance(lab, Path) else None
    if look is not None:
        look.rows(ALONE_SECONDS)
    from revconsole.console import escape, terminal  # Textual loads when the store was looked at
    from revconsole.console.app import PATIENCE_SECONDS, Console
    from revconsole.console.going import what_goes_on

    terminal.own_size(os.environ)
    escape.escape_is_a_key()
    console = Console(lab, opened, config=config, demo=demo, look=look)
    stop_watching = terminal.watch(console.leave)
    code = console.run()
    stop_watching()
    if console.failure is not None:
        raise console.failure
    lab = console.lab
    if console.is_web and lab.busy() and console.return_value is None:
        lab.hand_all_over("its page in the browser was closed")
        lab.wait(PATIENCE_SECONDS)
    if code:
        lab.wait(PATIENCE_SECONDS)
    with suppress(OSError):  # there may be no terminal any more
        print(what_goes_on(lab), end="", file=sys.stderr)  # noqa: T201  after the screen is gone
    if lab.busy():
        lab.end_all_now("quit the console without waiting")
    code = code or console.return_code or 0
    if "torch" in sys.modules:
        terminal.vanish(code)
    return code
