"""Quitting: the question of what becomes of the runs that train in the console."""

from revconsole.console.screens.ask import Answer, Ask

WAYS = (
    Answer(answer="on", key="b", label="Continue in the background"),
    Answer(answer="stop", key="s", label="Stop after this step", also="y"),
    Answer(answer="now", key="x", label="Stop now, without a checkpoint"),
)


def how_to_quit(busy: int) -> Ask:
    """The question about so many runs that train or wait here."""
    runs = "1 run trains" if busy == 1 else f"{busy} runs train or wait"
    detail = (
        "In the background they continue without losing a step; start `revconsole` again to see them. "
        "If they stop after the current step, they write a checkpoint; if they stop now, they can resume from the last one."
    )
    return Ask(f"{runs} in this console", detail, WAYS)
