"""One-shot timers that fire late on a busy machine instead of never."""

from textual.timer import Timer


def never_skipped(timer: Timer) -> Timer:
    """Let a timer just made by `set_timer` fire even if it is late: Textual would skip its only tick."""
    timer._skip = False  # noqa: SLF001  `set_timer` has no way to say so
    return timer
