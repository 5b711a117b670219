"""States of a run as they are shown: a sign and a word, and the theme colour that goes with them."""

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.records.run import State

SIGNS: dict[State, str] = {
    "queued": "○",
    "starting": "◌",
    "running": "●",
    "pausing": "◍",
    "paused": "‖",
    "stopping": "◍",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "lost": "?",
    "damaged": "!",
}
COLOURS: dict[State, str] = {
    "queued": "",
    "starting": "text-primary",
    "running": "text-primary",
    "pausing": "text-warning",
    "paused": "text-warning",
    "stopping": "text-warning",
    "finished": "text-success",
    "stopped": "text-warning",
    "failed": "text-error",
    "lost": "text-error",
    "damaged": "text-error",
}


def shown(state: State, variables: dict[str, str]) -> Text:
    """Sign and word of a state, coloured with the variables of the theme."""
    return Text(f"{SIGNS[state]} {state}", style=themed(variables, COLOURS[state]), no_wrap=True)
