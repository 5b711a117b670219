"""Entry: without arguments, on a terminal, the console opens at once; anything else is for the command line.

Typer takes a quarter of the time that Textual needs for its first paint, and the console has no use for it.
"""

import os
import sys
from pathlib import Path

from revconsole.errors import RevconsoleError


def main() -> None:
    """Run the console or the command line."""
    if sys.argv[1:] or not _on_terminal():
        from revconsole.cli.app import main as command_line

        command_line()
        return
    from revconsole.console.session import run_console

    try:
        code = run_console(Path(os.environ.get("REVCONSOLE_STORE") or "runs"))
    except (RevconsoleError, OSError, KeyboardInterrupt) as error:
        from revconsole.cli.app import ended_by

        code = ended_by(error)
    sys.exit(code)


def _on_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
