"""One-shot timers that fire late on a busy machine, rather than never."""

from textual.timer import Timer


def never_skipped(timer: Timer) -> Timer:
    """Let a timer just made by `set_timer` fire even if its moment has passed.

    Textual leaves out a tick that the machine was too busy for. That is right for an interval, but a one-shot timer
    has no other tick: its callback is lost, and with it all later resizing, which waits for such a timer to end.
    """
    timer._skip = False  # noqa: SLF001  `set_timer` has no way to say so
    return timer
