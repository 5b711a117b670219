"""Searching: a search is started, and gone on with, from its screen: always in the background, as one process draws all of it."""

from functools import partial
from typing import Any

from revconsole.console import steer
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import confirm
from revconsole.lab import format as form
from revconsole.lab.board import View
from revconsole.lab.search.detached import detach
from revconsole.records.printable import plural
from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.planned_search import PlannedSearch

WHAT_HAPPENS = (
    "A background process draws and trains one trial after the other and outlives this console. s stops it: the trial that trains "
    "ends after its step with a checkpoint, and r goes on."
)


def ask_to_go_on(screen: Any, reader: Reader, view: View) -> None:
    """Ask whether to go on with a search, with what it takes at most, and start it."""
    search = view.search
    if search is None or not view.forecast.left:
        screen.refuse("every trial is settled, and the best has been repeated")
        return
    if any(each.progress == "running" for each in view.standing):
        screen.refuse("it trains already")
        return
    seconds = view.forecast.seconds
    time = f"at most about {form.duration(seconds)}" if seconds else "unknown until one is done"
    detail = f"Time: {time}.\n{view.tally}\n\n{WHAT_HAPPENS}"
    question = f"Train {plural(view.forecast.left, 'run')} of the search {view.name}?"
    start = partial(steer.act, screen, reader, view.name, partial(_start, reader, search))
    confirm(screen.app, question, detail, "In the background", start)


def _start(reader: Reader, search: PlannedSearch) -> str:
    """Start the process; runs in a worker thread. Raises RevconsoleError for what keeps every trial from training."""
    reader.lab.refuse_changes()
    with optuna_loaded():
        detach(reader.lab.store, search)
    return "searches in the background"
