"""Sheet: a figure of a kind that has one figure per arm."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revconsole.lab.report.results import ArmResult
from revconsole.lab.report.wording import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A figure of one arm. name: of its files, without a suffix. caption: plain text."""

    name: str
    caption: str
    figure: "Figure"


def file_name(kind: str, place: int, arm: ArmResult) -> str:
    """A file name for the arm's figure that every file system and LaTeX accept. place: position of the arm, from 0."""
    plain = re.sub(r"[^a-z0-9]+", "-", arm.name.lower()).strip("-")[:40]
    return f"{kind}-{place + 1}-{plain}".rstrip("-")


def seeds(arm: ArmResult) -> str:
    """The seeds of an arm in words; those with the same weights as another are named."""
    numbers = [str(run.plan.seed) for run in arm.originals]
    words = f"seed {numbers[0]}" if len(numbers) == 1 else f"seeds {listed(numbers)}"
    again = [str(run.plan.seed) for run in arm.runs if str(run.plan.seed) not in numbers]
    return f"{words} ({listed(again)} gave the same weights)" if again else words
