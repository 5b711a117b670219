"""Study choices: where the runs of a study may train that a screen offers, and what each answer stands for."""

from revconsole.console.screens.ask import Answer
from revconsole.lab.launchers.launching import Launcher
from revconsole.lab.launchers.process import Workers
from revconsole.records import devices

BACKGROUND = Answer(answer="process", key="b", label="In the background")
HERE = Answer(answer="thread", key="y", label="In this console")
MEASURE = Answer(answer="measure", key="m", label="Measure time and memory first")
WHAT_HAPPENS = (
    "They train one after the other; a failed run does not stop the others. In the background they outlive this console. "
    "In this console they move to the background when you quit or the connection is lost."
)


def offered(*, measure: bool) -> list[Answer]:
    """The choices of this machine; all its devices at once where there are several. measure: offer to measure first."""
    here = devices.candidates("auto")
    label = f"In the background, {len(here)} at once on {here[0]} to {here[-1]}"
    several = [Answer(answer="devices", key="d", label=label)] if len(here) > 1 else []
    return [*several, BACKGROUND, HERE, *([MEASURE] if measure else [])]


def launcher_of(answer: str) -> Launcher:
    """The launcher that an answer stands for."""
    if answer == "devices":
        return Workers(slots=devices.candidates("auto"))
    return "process" if answer == "process" else "thread"
