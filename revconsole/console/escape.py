"""Escape: terminals send Escape as the first byte of every other special key.

Textual waits for more bytes, drops the Escape (before `/`, Enter, Ctrl-L), or takes both for a word motion. Here Escape
and a letter that arrive together become one event, which `keyboard.py` separates.
"""

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser

ESCAPE, DELETE = "\x1b", "\x7f"
INTRODUCERS = frozenset("[OP]_^XN" + ESCAPE + DELETE)
"""Characters after Escape that begin a longer sequence, as terminals send and answer; and Alt-Backspace, which a text field uses."""


class Behind(events.Key):
    """Escape together with the key that follows it."""

    def __init__(self, behind: events.Key) -> None:
        self.behind = behind
        super().__init__(f"alt+{behind.key}", None)


class Parser(XTermParser):
    """Textual's parser of terminal input, extended by Escape followed by a key."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) == 2 and sequence[0] == ESCAPE and sequence[1] not in INTRODUCERS:
            return [Behind(key) for key in super()._sequence_to_key_events(sequence[1])]
        return super()._sequence_to_key_events(sequence, alt)


def escape_is_a_key() -> None:
    """Replace the parser of Textual's driver by this one; the driver has no setting for it."""
    from textual.drivers import linux_driver

    vars(linux_driver)["XTermParser"] = Parser
