"""States of a run as they are shown: a sign and a word, and the theme colour that goes with them."""

from rich.text import Text

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
    "queued": "secondary",
    "starting": "primary",
    "running": "primary",
    "pausing": "warning",
    "paused": "warning",
    "stopping": "warning",
    "finished": "success",
    "stopped": "warning",
    "failed": "error",
    "lost": "error",
    "damaged": "error",
}


def shown(state: State, variables: dict[str, str]) -> Text:
    """Sign and word of a state, coloured with the variables of the theme."""
    return Text(f"{SIGNS[state]} {state}", style=variables.get(COLOURS[state], ""), no_wrap=True)
