"""Steer: stop, pause, resume and move runs: ask if the action cannot be undone, do it in a thread, show the answer."""

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.screen import Screen

from revconsole.console import slurm_places
from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask
from revconsole.errors import RevconsoleError
from revconsole.lab import queue
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

STOP = Answer(answer="stop", key="y", label="Stop after this step")
PAUSE = Answer(answer="pause", key="p", label="Pause")
TAKE_OVER = Answer(answer="take over", key="y", label="Take over")
WHAT_TAKING_OVER_DOES = "If that process is gone, the run continues here from its last checkpoint. If it still trains, two processes write one run."
HERE = Answer(answer="thread", key="y", label="In this console")
WHERE_IT_WAS = "It was in a job of Slurm before."
BEGIN_NOW = Answer(answer="now", key="y", label="Begin now")
GIVEN_STOP = (
    "The program that trains it is asked: it ends when it next calls `stop_asked()`; one that `revconsole run` started gets "
    "SIGINT, then SIGTERM, then SIGKILL."
)
TAKE_OUT = Answer(answer="stop", key="y", label="Take out of the queue")


def stop(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Ask the user, then stop the run after its step."""
    if run.ended or run.state == "stopping":
        _say(screen, f"{run.name} is already {run.state}")
    elif run.state == "queued":
        _ask(
            screen,
            reader,
            run,
            question=f"Take {run.name} out of the queue?",
            detail=_queued(run),
            choices=[TAKE_OUT],
        )
    else:
        detail = (
            f"It is in epoch {min(run.epoch + 1, run.plan.epochs)} of {run.plan.epochs}. "
            "It stops after the current step with a checkpoint; r resumes it."
        )
        detail = GIVEN_STOP if run.program else detail
        paused = run.state in {"paused", "pausing"}
        choices = [STOP] if paused else [STOP, PAUSE]
        _ask(screen, reader, run, question=f"Stop {run.name}?", detail=detail, choices=choices)


def pause(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Ask the user, then pause the run after its step; continue a paused run without asking."""
    if run.state in {"paused", "pausing"}:
        act(screen, reader, run.name, partial(reader.lab.pause, run.id))
    elif run.state in {"running", "starting"}:
        detail = "It pauses after the current step, keeps its memory, and continues with p."
        _ask(screen, reader, run, question=f"Pause {run.name}?", detail=detail, choices=[PAUSE])
    else:
        _say(screen, f"{run.name} is {run.state}: only a running run can be paused")


def resume(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Continue the run from its last checkpoint in this console.

    Ask first if its process cannot be checked from here, and where to train a run that was in a job of Slurm.
    """

    def go_on(where: str = "thread", *, take_over: bool = False) -> str:
        launcher = slurm_places.launcher_of(reader.config, where)
        reader.lab.resume(run.id, launcher, take_over=take_over)
        job = slurm_places.is_place(where)
        return f"continues from its last checkpoint{' in a job of Slurm' if job else ''}"

    def answered(answer: str | None) -> None:
        if answer == TAKE_OVER.answer:
            act(screen, reader, run.name, partial(go_on, take_over=True))
        elif answer:
            act(screen, reader, run.name, partial(go_on, answer))

    def go_on_or_ask() -> str:
        places = slurm_places.answers(reader.config)
        if known := reader.lab.unasked(run.id):
            detail = f"{known}. {WHAT_TAKING_OVER_DOES}"
            question = Ask(f"Take {run.name} over?", detail, [TAKE_OVER])
        elif places and slurm_places.submitted(reader.lab.store, run.id):
            question = Ask(f"Resume {run.name}?", WHERE_IT_WAS, [*places, HERE])
        else:
            return go_on()
        screen.app.call_from_thread(screen.app.push_screen, question, answered)
        return ""

    act(screen, reader, run.name, go_on_or_ask)


def hand_over(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Move the run to a background process. Nothing is lost, so the user is not asked."""
    act(screen, reader, run.name, partial(reader.lab.hand_over, run.id))


def sooner(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Move a waiting run before the one that comes before it."""
    act(screen, reader, run.name, partial(queue.move, reader.lab.store, run.id, by=-1))


def later(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Move a waiting run behind the one that comes after it."""
    act(screen, reader, run.name, partial(queue.move, reader.lab.store, run.id, by=1))


def begin_now(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Ask the user, then let a waiting run begin beside what trains on its device."""
    if run.state != "queued":
        _say(screen, f"{run.name} is {run.state}: only a run that waits can begin now")
        return

    def answered(answer: str | None) -> None:
        if answer:
            act(screen, reader, run.name, partial(queue.begin_now, reader.lab.store, run.id))

    detail = f"{one_line(run.reason, 300)}. Both become slower, and share the memory of the device."
    screen.app.push_screen(
        Ask(f"Begin {run.name} beside what trains?", detail, [BEGIN_NOW]), answered
    )


def act(
    screen: Screen[Any],
    reader: Reader,
    name: str,
    verb: Callable[[], str],
    failed: Callable[[str], object] | None = None,
) -> None:
    """Do something with the store in a thread, show its answer if it has one, and wake the reader.

    failed: given the sentence on why it could not be done, instead of the toast.
    """

    def work() -> None:
        try:
            answer = verb()
            message = Said(f"{name}: {answer}") if answer else None
        except RevconsoleError as error:
            message = None if failed else Said(str(error), "error")
            if failed:
                screen.app.call_from_thread(failed, str(error))
        if message is not None:
            screen.app.post_message(message)
        reader.wake()

    screen.app.run_worker(work, thread=True, exit_on_error=False, group="steer")


def _ask(
    screen: Screen[Any],
    reader: Reader,
    run: Summary,
    *,
    question: str,
    detail: str,
    choices: list[Answer],
) -> None:
    verbs = {"stop": reader.lab.stop, "pause": reader.lab.pause}

    def answered(answer: str | None) -> None:
        if answer:
            act(screen, reader, run.name, partial(verbs[answer], run.id))

    screen.app.push_screen(Ask(question, detail, choices), answered)


def _queued(run: Summary) -> str:
    return f"It has not begun. It will be listed as stopped and can be started with r ({run.id})."


def _say(screen: Screen[Any], text: str) -> None:
    screen.app.post_message(Said(text, "warning"))
