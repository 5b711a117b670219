"""Study choices: where the runs of a study may train that a screen offers, and what each answer stands for."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from revconsole.console import slurm_places
from revconsole.console.screens.ask import Answer
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab import slots
from revconsole.lab.launchers.launching import Launcher
from revconsole.lab.launchers.process import Workers
from revconsole.records import devices
from revconsole.records.config.config import Config
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

NOW = "--now"
BACKGROUND = Answer(answer="process", key="b", label="In the background")
HERE = Answer(answer="thread", key="y", label="In this console")
EVERY, NAMED = "devices", "on "
"""The answer for a run on each device, and what an answer with named devices begins with."""
NAME = Answer(answer="name", key="w", label="On devices that you name")
WHICH = (
    "Devices: all, a number, or a list as cuda:0,cuda:1; cpu:2 is two runs at once on the CPU. Behind it, as on the command line: "
    "--per-device 2 (or auto), --now"
)
MEASURE = Answer(answer="measure", key="m", label="Measure time and memory first")
WHAT_HAPPENS = (
    "They train one after the other; a failed run does not stop the others. In the background they outlive this console. "
    "In this console they move to the background when you quit or the connection is lost."
)


def offered(config: Config, *, measure: bool) -> list[Answer]:
    """This machine, its devices where there are several or as named, and the places of Slurm. measure: offer to measure first."""
    places = slurm_places.answers(config)
    return [*on_every(), BACKGROUND, HERE, NAME, *places, *([MEASURE] if measure else [])]


def on_every() -> list[Answer]:
    """The answer for a run on each device, where there are several."""
    here = devices.candidates("auto")
    label = f"In the background, {len(here)} at once on {here[0]} to {here[-1]}"
    return [Answer(answer=EVERY, key="d", label=label)] if len(here) > 1 else []


def ask_which(screen: Any, then: Callable[[str], object]) -> None:
    """Ask for devices by name, and go on with them as an answer; what is wrong is said, and nothing follows."""
    from revconsole.console.screens.naming import Naming  # its field loads when first shown

    def named(text: str | None) -> None:
        if not text:
            return
        try:
            named_devices(NAMED + text)
        except (RevconsoleError, ValueError) as error:
            screen.refuse(str(error))
            return
        then(NAMED + text)

    screen.app.push_screen(Naming(WHICH), named)


def named_devices(answer: str) -> tuple[tuple[str, ...], str, bool]:
    """(device of each worker, how many runs on each, whether they do not wait) of an answer with named devices.

    Raises RevconsoleError, and ValueError for what is no text of words.
    """
    words = shlex.split(answer.removeprefix(NAMED))
    now = NOW in words
    words = [word for word in words if word != NOW]
    text, *rest = words or [slots.ALL]
    if rest and (len(rest) != 2 or rest[0] != slots.EACH):
        raise ProfileError(
            "devices",
            "",
            f"what follows should be {slots.EACH} NUMBER or {NOW}, not {' '.join(rest)}",
        )
    names = slots.slots(text)
    if rest:
        slots.wanted_each(rest[1], names)
    return names, "".join(rest[1:]), now


def launcher_of(
    config: Config, answer: str, plans: Sequence[Plan], runs: Sequence[Summary]
) -> Launcher:
    """The launcher that an answer stands for. Raises RevconsoleError for a place that is wrong, or for more runs than fit."""
    if answer == EVERY:
        return Workers(slots=devices.candidates("auto"))
    if answer.startswith(NAMED):
        names, per_device, _ = named_devices(answer)
        return slots.workers(plans, runs, names, per_device)[0]
    return slurm_places.launcher_of(config, answer)


def at_once(answer: str) -> bool:
    """Whether the runs of an answer do not wait for their turn."""
    return answer.startswith(NAMED) and named_devices(answer)[2]


def where(answer: str) -> str:
    """Where runs are queued by an answer, in words."""
    if slurm_places.is_place(answer):
        return "in jobs of Slurm"
    return "in this console" if answer == HERE.answer else "in the background"
