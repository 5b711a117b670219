"""Sheet: a figure of one arm, where there is one for each arm."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revconsole.lab.report.results import ArmResult

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
    """The seeds of an arm in words."""
    found = [str(run.plan.seed) for run in arm.runs]
    return f"seed {found[0]}" if len(found) == 1 else f"seeds {listed(found)}"


def listed(words: Sequence[str]) -> str:
    """Words with commas, and `and` before the last."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
