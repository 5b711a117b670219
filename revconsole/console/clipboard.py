"""Clipboard: copies through the terminal (OSC 52), or into a file where the terminal is known to have no clipboard."""

import os
from collections.abc import Mapping
from typing import Any

from textual.app import App

from revconsole.console.messages import Said
from revconsole.records.config import places

WITHOUT = {"linux", "dumb", "vt100", "vt220"}
"""Kinds of terminal that have no clipboard."""
PROGRAMS_WITHOUT = {"Apple_Terminal"}
FILE = "copied.txt"


def lacking(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is known to have no clipboard."""
    program = environment.get("TERM_PROGRAM", "")
    return environment.get("TERM", "") in WITHOUT or program in PROGRAMS_WITHOUT


def copied(app: App[Any], text: str, what: str) -> Said:
    """Copy a text, and return a sentence on where it is. what: what it is called there."""
    if not lacking(os.environ) or app.is_web:
        app.copy_to_clipboard(text)
        return Said(f"copied {what}")
    path = places.state_folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        return Said(f"this terminal has no clipboard, and {path}: {error.strerror}", "warning")
    return Said(f"this terminal has no clipboard: {what} is written to {path}")
