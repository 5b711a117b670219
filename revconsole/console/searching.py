"""Searching: a search is started, gone on with and stopped from its screen: always in the background, where workers draw its runs."""

from functools import partial
from typing import Any

from revconsole.console import slurm_places, steer, study_choices
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask, confirm
from revconsole.console.screens.steering import READONLY
from revconsole.lab import format as form
from revconsole.lab.board import View
from revconsole.lab.launchers.process import Workers
from revconsole.lab.launchers.slurm import search_jobs
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.search import launching
from revconsole.lab.search.searching import Searching
from revconsole.lab.study import Standing
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
ALONE = Answer(answer="process", key="y", label="In the background")


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
        if answer == study_choices.NAME.answer:
            study_choices.ask_which(screen, answered)
        elif answer:
            steer.act(screen, reader, view.name, partial(_start, reader, search, answer))

    places = slurm_places.answers(reader.config)
    choices = [*study_choices.on_every(), ALONE, study_choices.NAME, *places]
    screen.app.push_screen(Ask(question, detail, choices), answered)


def ask_to_stop(screen: Any, reader: Reader, view: View, search: PlannedSearch) -> None:
    """Ask whether nobody is to draw for a search any more."""
    verb = partial(_stop, reader, search)
    stop = partial(steer.act, screen, reader, view.name, verb)
    confirm(screen.app, f"Stop the search {view.name}?", WHAT_STOPS, "Stop it", stop)


def open_form(screen: Any, reader: Reader, view: View | None, at_hand: Standing | None) -> None:
    """Open the launch form on a search, to change what it draws; else on the run under the cursor."""
    run = at_hand.summary if at_hand else None
    if reader.lab.readonly:
        screen.refuse(READONLY)
        return
    search = view.search if view else None
    if search is None and (run is None or not run.plan_known):
        screen.refuse("put the cursor on a run that has begun: the form starts from its settings")
        return
    from revconsole.console.screens.launch import LaunchScreen  # only when asked for

    screen.app.push_screen(LaunchScreen(reader, run if search is None else search.named))


def _start(reader: Reader, search: PlannedSearch, answer: str) -> str:
    """Start the process or submit the jobs; runs in a worker thread. Raises RevconsoleError for what keeps every trial from training."""
    reader.lab.refuse_changes()
    searching = Searching(reader.lab, search)
    with optuna_loaded():
        if slurm_places.is_place(answer):
            return _submit(reader, searching, answer)
        workers = launching.ALONE
        if answer != ALONE.answer:
            runs = reader.latest.summaries
            found = study_choices.launcher_of(reader.config, answer, search.kinds, runs)
            workers = found if isinstance(found, Workers) else workers
        now = study_choices.at_once(answer)
        launching.launch(reader.lab, searching, workers, now=now)
    return "searches in the background"


def _submit(reader: Reader, searching: Searching, place: str) -> str:
    now, search = searching.standing(), searching.planned
    found = SlurmPlace.of(reader.config, place).sized(
        max(plan.train.ranks for plan in search.kinds)
    )
    count = search_jobs.workers(found, now.total - now.done)
    launch = search_jobs.submit(found, reader.lab.store, launching.new_launch(searching), count)
    return f"submitted as Slurm job {launch.job}"


def _stop(reader: Reader, search: PlannedSearch) -> str:
    reader.lab.refuse_changes()
    return launching.stop(reader.lab.store, search.like.search)
