"""Steer: stop, pause, resume and move runs as a user does it: ask if it cannot be undone, do it in a thread, say what happens."""

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.screen import Screen

from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask
from revconsole.errors import RevconsoleError
from revconsole.records.runs.run import Summary

STOP = Answer(answer="stop", key="y", label="Stop after this step")
PAUSE = Answer(answer="pause", key="p", label="Pause")
TAKE_OVER = Answer(answer="take over", key="y", label="Take over")
WHAT_TAKING_OVER_DOES = "If that process is gone, the run goes on here from its last checkpoint. If it still trains, two write one run."
TAKE_OUT = Answer(answer="stop", key="y", label="Take out of the queue")


def stop(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Ask, then ask the run to stop."""
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
            "It ends after the step it is in, keeps a checkpoint and can be resumed with r."
        )
        paused = run.state in {"paused", "pausing"}
        choices = [STOP] if paused else [STOP, PAUSE]
        _ask(screen, reader, run, question=f"Stop {run.name}?", detail=detail, choices=choices)


def pause(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Ask, then hold the run between two steps; let a paused one go on at once."""
    if run.state in {"paused", "pausing"}:
        act(screen, reader, run.name, partial(reader.lab.pause, run.id))
    elif run.state in {"running", "starting"}:
        detail = "It holds between two steps, keeps its memory, and goes on with p."
        _ask(screen, reader, run, question=f"Pause {run.name}?", detail=detail, choices=[PAUSE])
    else:
        _say(screen, f"{run.name} is {run.state}: only a running run can be paused")


def resume(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Go on from the last checkpoint, in this console; asks first where its process cannot be asked from here."""

    def go_on(*, take_over: bool = False) -> str:
        reader.lab.resume(run.id, take_over=take_over)
        return "goes on from its last checkpoint"

    def answered(answer: str | None) -> None:
        if answer:
            act(screen, reader, run.name, partial(go_on, take_over=True))

    def go_on_or_ask() -> str:
        known = reader.lab.unasked(run.id)
        if not known:
            return go_on()
        question = Ask(f"Take {run.name} over?", f"{known}. {WHAT_TAKING_OVER_DOES}", [TAKE_OVER])
        screen.app.call_from_thread(screen.app.push_screen, question, answered)
        return ""

    act(screen, reader, run.name, go_on_or_ask)


def hand_over(screen: Screen[Any], reader: Reader, run: Summary) -> None:
    """Move the run to a background process: it loses nothing, so nobody is asked."""
    act(screen, reader, run.name, partial(reader.lab.hand_over, run.id))


def act(screen: Screen[Any], reader: Reader, name: str, verb: Callable[[], str]) -> None:
    """Do something with the store in a thread, say what it answered if that is anything, and look at once."""

    def work() -> None:
        try:
            answer = verb()
            said = Said(f"{name}: {answer}") if answer else None
        except RevconsoleError as error:
            said = Said(str(error), "error")
        if said is not None:
            screen.app.post_message(said)
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
