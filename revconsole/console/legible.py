"""LegibleApp: an app that can be read in any terminal: signs in ASCII where there is no Unicode, one list of its keys."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.screen import Screen

from revconsole.console import signs, terminal


class LegibleApp(App[int]):
    """The base of the console."""

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

    def _build_driver(self, *arguments: Any, **options: Any) -> Driver:
        """The driver; in a terminal without Unicode it writes ASCII signs."""
        driver = super()._build_driver(*arguments, **options)
        if self._without_unicode():
            write = driver.write
            setattr(driver, "write", lambda text: write(signs.plain(text)))  # noqa: B010  a method
        return driver

    def _without_unicode(self) -> bool:
        return not self.is_headless and terminal.plain(os.environ)
