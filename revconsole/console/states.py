"""States of a run as they are shown: a sign and a word in the theme's colour for it."""

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.records.printable import one_line
from revconsole.records.runs.standing import State

SIGNS: dict[State, str] = {
    "queued": "○", "starting": "◌", "running": "●", "stalled": "◔", "pausing": "◍", "paused": "‖",
    "stopping": "◍", "finished": "✓", "pruned": "◇", "stopped": "■", "failed": "✗", "out of memory": "✗",
    "killed": "✗", "lost": "?", "damaged": "!",
}  # fmt: skip
COLOURS: dict[State, str] = {
    "queued": "", "starting": "text-primary", "running": "text-primary", "stalled": "text-error",
    "pausing": "text-warning", "paused": "text-warning", "stopping": "text-warning",
    "finished": "text-success", "pruned": "", "stopped": "text-warning", "failed": "text-error",
    "out of memory": "text-error", "killed": "text-error", "lost": "text-error",
    "damaged": "text-error",
}  # fmt: skip


BRIEF: dict[State, str] = {"out of memory": "memory"}
"""Shorter words for a narrow column."""
BRIEF_ALARMS = {"diverged": "diverged", "at chance": "chance", "wrong gradients": "gradients"}

MOST_ALARM = 60
"""Most characters shown of an alarm; the log of another program may hold any text."""


def shown(state: State, variables: dict[str, str], *, alarm: str = "", brief: bool = False) -> Text:
    """Sign and word of a state, in the colours of the theme. alarm: see `Summary.alarm`. brief: use the shorter words."""
    word = BRIEF.get(state, state) if brief else state
    if alarm:
        of_end = BRIEF_ALARMS.get(alarm, "alarm") if state == "finished" else word
        text = f"! {of_end if brief else f'{state}, {one_line(alarm, MOST_ALARM)}'}"
        return Text(text, style=themed(variables, "text-error"), no_wrap=True)
    return Text(f"{SIGNS[state]} {word}", style=themed(variables, COLOURS[state]), no_wrap=True)
