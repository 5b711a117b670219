"""Study choices: where the runs of a study may train that a screen offers, and what each answer stands for."""

from revconsole.console import slurm_places
from revconsole.console.screens.ask import Answer
from revconsole.lab.launchers.launching import Launcher
from revconsole.lab.launchers.process import Workers
from revconsole.records import devices
from revconsole.records.config.config import Config

BACKGROUND = Answer(answer="process", key="b", label="In the background")
HERE = Answer(answer="thread", key="y", label="In this console")
MEASURE = Answer(answer="measure", key="m", label="Measure time and memory first")
WHAT_HAPPENS = (
    "They train one after the other; a failed run does not stop the others. In the background they outlive this console. "
    "In this console they move to the background when you quit or the connection is lost."
)


def offered(config: Config, *, measure: bool) -> list[Answer]:
    """This machine, all its devices at once where there are several, and the places of Slurm. measure: offer to measure first."""
    here = devices.candidates("auto")
    label = f"In the background, {len(here)} at once on {here[0]} to {here[-1]}"
    several = [Answer(answer="devices", key="d", label=label)] if len(here) > 1 else []
    places = slurm_places.answers(config)
    return [*several, BACKGROUND, HERE, *places, *([MEASURE] if measure else [])]


def launcher_of(config: Config, answer: str) -> Launcher:
    """The launcher that an answer stands for. Raises RevconsoleError for a place that is wrong."""
    if answer == "devices":
        return Workers(slots=devices.candidates("auto"))
    return slurm_places.launcher_of(config, answer)


def where(answer: str) -> str:
    """Where runs are queued by an answer, in words."""
    if slurm_places.is_place(answer):
        return "in jobs of Slurm"
    return "in this console" if answer == HERE.answer else "in the background"
