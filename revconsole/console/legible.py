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
from textual import on
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
from revconsole.console.themes import MONOCHROME, VIVID, themes
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
        self.shown, self.pace = Terminal(), TerminalPace()
        self._leaves_by: float | None = None

    def ask_pace(self) -> None:
        """Ask a terminal at the end of a line, once the next frame is written, to say when it has shown it."""
        if terminal.remote(os.environ) and not terminal.in_browser(os.environ):
            self.call_after_refresh(self._ask)

    def _ask(self) -> None:
        if self._driver is not None and (question := self.pace.ask()):
            self._driver.write(question)

    def on_cursor_position(self) -> None:
        """Take the answer of the terminal."""
        self.pace.hear()

    @on(Driver.SignalResume)
    def _paint_again(self) -> None:
        """Paint everything: after a suspension the terminal shows nothing of it."""
        self.shown.forget()
        self.refresh(layout=True)

    def exit(
        self, result: int | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        """End as Textual does, but wait a second for the terminal's answer, which the shell would take for keys."""
        now = time.monotonic()
        self._leaves_by = self._leaves_by or now + ANSWER_SECONDS
        if self.pace.open and now < self._leaves_by:
            self.set_timer(LOOK_SECONDS, partial(self.exit, result, return_code, message))
        else:
            super().exit(result, return_code, message)

    def set_timer(self, *arguments: Any, **options: Any) -> Timer:
        """Set a timer that fires even if its moment was missed; Textual's resizing depends on one."""
        return never_skipped(super().set_timer(*arguments, **options))

    def toast(self, text: str, severity: Severity) -> None:
        """Show a sentence for a while, once however often it is said meanwhile; long words are broken where they would be cut."""
        room = min(MOST_TOAST, self.size.width // 2) - TOAST_EDGES
        sentence = fitted(printable(text), room)
        if all(each.has_expired or each.message != sentence for each in self._notifications):
            self.notify(sentence, severity=severity, markup=False)

    def deliver_screenshot(
        self, filename: str | None = None, path: str | None = None, time_format: str | None = None
    ) -> None:
        """Save a picture of the screen in the working folder or another writable one, and show its path."""
        name = filename or time.strftime(time_format or "revconsole-%Y-%m-%d-%H%M%S.svg")
        folders = [Path(path)] if path else [Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
        folder, reason = terminal.kept(lambda f: self.save_screenshot(name, str(f)), name, folders)
        outcome = f"saved {folder / name}" if folder else f"no screenshot: {reason}"
        self.post_message(Said(outcome, "information" if folder else "error"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The commands of Textual, with the list of keys of this console instead of Textual's panel, which takes its width."""
        for command in super().get_system_commands(screen):
            if command.title == "Keys":
                yield SystemCommand("Keys", "List every key", partial(self.run_action, "help"))
            else:
                yield command

    def get_key_display(self, binding: Binding) -> str:
        """A key as it is shown; a word for it in a terminal without Unicode."""
        shown = super().get_key_display(binding)
        return signs.key_words(shown) if self._without_unicode() else shown

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The filters of what is painted; under the monochrome theme curves and pictures are grey, too."""
        filters = super().get_line_filters()
        return [*filters, GREY] if self.theme == MONOCHROME else filters

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Write what of a frame the terminal does not show yet."""
        written = self._running and not (self._closed or self._batch_count or self.is_headless)
        if written and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            renderable = self.shown.changes(renderable, self.size)
        super()._display(screen, renderable)

    def _build_driver(self, *arguments: Any, **options: Any) -> Driver:
        """The driver. In a terminal without Unicode it writes ASCII signs, and in one of 16 colours themes have such as stay apart."""
        driver = super()._build_driver(*arguments, **options)
        if self.console.color_system == "standard" and not driver.is_headless:
            any(map(self.register_theme, themes(VIVID)))
            self.stylesheet.set_variables(self.get_css_variables())
        if self._without_unicode():
            write = driver.write
            setattr(driver, "write", lambda text: write(signs.plain(text)))  # noqa: B010  a method
        return driver

    def _without_unicode(self) -> bool:
        return not self.is_headless and terminal.plain(os.environ)
