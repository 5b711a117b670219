"""LegibleApp: an app that can be read in any terminal: signs in ASCII where there is no Unicode, one list of its keys,
toasts and pictures that fit.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.scrollbar import ScrollBar
from textual.timer import Timer

from revconsole.console import signs, terminal
from revconsole.console.grey import Grey
from revconsole.console.messages import Said, Severity
from revconsole.console.on_terminal import Terminal
from revconsole.console.one_shot import never_skipped
from revconsole.console.pace import TerminalPace
from revconsole.console.themes import MONOCHROME
from revconsole.console.widgets.thin_bar import ThinBar
from revconsole.lab.format import fitted
from revconsole.records.printable import printable

GREY = Grey()
ANSWER_SECONDS, LOOK_SECONDS = 1.0, 0.05
"""Longest wait for an answer of the terminal at the end, and seconds between two looks whether it is there."""
MOST_TOAST, TOAST_EDGES = 60, 4
"""Widest toast in columns, and the columns that its edges take in Textual's layout."""


class LegibleApp(App[int]):
    """The base of the console. `shown` is what its terminal shows, `pace` whether one at the end of a line keeps up."""

    def __init__(self) -> None:
        super().__init__()
        ScrollBar.renderer = ThinBar
