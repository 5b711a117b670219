"""Escape: the key that a terminal sends as the beginning of every other special key.

Escape and a letter that arrive at once are the bytes of Alt and that letter. Textual waits for more, or drops the
Escape (before `/`, enter, ctrl+l), or takes both for a word motion. Here they are one event that says what it is made
of, and `keyboard.py` takes it apart.
"""

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser

ESCAPE, DELETE = "\x1b", "\x7f"
INTRODUCERS = frozenset("[OP]_^XN" + ESCAPE + DELETE)
"""What makes a longer sequence of it, as terminals send and answer; and Alt and backspace, which a line of text knows."""


class Behind(events.Key):
    """Escape and the key behind it."""

    def __init__(self, behind: events.Key) -> None:
        self.behind = behind
        super().__init__(f"alt+{behind.key}", None)


class Parser(XTermParser):
    """Textual's parser, which also knows an Escape before a key."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) == 2 and sequence[0] == ESCAPE and sequence[1] not in INTRODUCERS:
            return [Behind(key) for key in super()._sequence_to_key_events(sequence[1])]
        return super()._sequence_to_key_events(sequence, alt)


def escape_is_a_key() -> None:
    """Read the terminal with this parser from now on; Textual's driver has no other way to be told."""
    from textual.drivers import linux_driver

    vars(linux_driver)["XTermParser"] = Parser
