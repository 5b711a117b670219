"""Searching: a search is started, gone on with and stopped from its screen: always in the background, where workers draw its runs."""

from functools import partial
from typing import Any

from revconsole.console import steer
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask, confirm
from revconsole.lab import format as form
from revconsole.lab.board import View
from revconsole.lab.launchers.process import Workers
from revconsole.lab.search import launching
from revconsole.lab.search.searching import Searching
from revconsole.records import devices
from revconsole.records.printable import plural
from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.planned_search import PlannedSearch

WHAT_HAPPENS = (
    "A background process draws and trains one trial after the other, with several devices one on each, and outlives this "
    "console. s stops it: what trains ends after its step with a checkpoint, and r goes on."
)
WHAT_STOPS = (
    "No other trial is drawn; what trains stops after its step with a checkpoint. r goes on."
)
ALONE, EVERY = "alone", "devices"


def ask_to_go_on(screen: Any, reader: Reader, view: View) -> None:
    """Ask whether and where to go on with a search, with what it takes at most, and start it."""
    search = view.search
    if search is None or not view.forecast.left:
        screen.refuse("every trial is settled, and the best has been repeated")
        return
    if view.workers:
        screen.refuse(f"it trains already: {view.workers}")
        return
    seconds = view.forecast.seconds
    time = f"at most about {form.duration(seconds)}" if seconds else "unknown until one is done"
    detail = f"Time: {time}.\n{view.tally}\n\n{WHAT_HAPPENS}"
    question = f"Train {plural(view.forecast.left, 'run')} of the search {view.name}?"

    def answered(answer: str | None) -> None:
        if answer:
            steer.act(screen, reader, view.name, partial(_start, reader, search, answer))

    screen.app.push_screen(Ask(question, detail, _offered()), answered)


def ask_to_stop(screen: Any, reader: Reader, view: View, search: PlannedSearch) -> None:
    """Ask whether nobody is to draw for a search any more."""
    verb = partial(_stop, reader, search)
    stop = partial(steer.act, screen, reader, view.name, verb)
    confirm(screen.app, f"Stop the search {view.name}?", WHAT_STOPS, "Stop it", stop)


def _offered() -> list[Answer]:
    here = devices.candidates("auto")
    label = f"In the background, {len(here)} at once on {here[0]} to {here[-1]}"
    several = [Answer(answer=EVERY, key="d", label=label)] if len(here) > 1 else []
    return [*several, Answer(answer=ALONE, key="y", label="In the background")]


def _start(reader: Reader, search: PlannedSearch, answer: str) -> str:
    """Start the process; runs in a worker thread. Raises RevconsoleError for what keeps every trial from training."""
    reader.lab.refuse_changes()
    workers = Workers(slots=devices.candidates("auto")) if answer == EVERY else launching.ALONE
    with optuna_loaded():
        launching.launch(reader.lab, Searching(reader.lab, search), workers)
    return "searches in the background"


def _stop(reader: Reader, search: PlannedSearch) -> str:
    reader.lab.refuse_changes()
    return launching.stop(reader.lab.store, search.like.search)
