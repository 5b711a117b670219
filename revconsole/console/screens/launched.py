"""What is shown of runs that were launched or named: a run in its own screen, several as a comparison, a study."""

from collections.abc import Sequence
from typing import Any

from textual.screen import Screen

from revconsole.console.reader import Reader
from revconsole.console.screens.comparison import ComparisonScreen
from revconsole.console.screens.run import RunScreen
from revconsole.console.screens.study import StudyScreen


def screen_of(reader: Reader, run_ids: Sequence[str], study: str = "") -> Screen[Any]:
    """The screen of some runs, or of a study by its path, which then asks where it is to train."""
    if study:
        return StudyScreen(reader, study, at_once=True)
    return RunScreen(reader, run_ids[0]) if len(run_ids) == 1 else ComparisonScreen(reader, run_ids)
