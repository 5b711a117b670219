"""Sheet: a figure of one arm, where there is one for each arm."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revconsole.lab.report.results import ArmResult
from revconsole.lab.report.wording import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """name: of its files, without a suffix. caption: plain text."""

    name: str
    caption: str
    figure: "Figure"


def file_name(kind: str, place: int, arm: ArmResult) -> str:
    """A name for the arm's figure that every file system and LaTeX take. place: of the arm, from 0."""
    plain = re.sub(r"[^a-z0-9]+", "-", arm.name.lower()).strip("-")[:40]
    return f"{kind}-{place + 1}-{plain}".rstrip("-")


def seeds(arm: ArmResult) -> str:
    """The seeds of an arm in words; those that gave the answer of another are named as such."""
    found = [str(run.plan.seed) for run in arm.originals]
    words = f"seed {found[0]}" if len(found) == 1 else f"seeds {listed(found)}"
    again = [str(run.plan.seed) for run in arm.runs if str(run.plan.seed) not in found]
    return f"{words} ({listed(again)} gave the same weights)" if again else words
