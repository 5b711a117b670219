"""KeepingScreen: base of a screen of runs that can be renamed, archived, deleted and put back."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from revconsole.console import keep
from revconsole.console.reader import Reader
from revconsole.console.screens.live import LiveScreen
from revconsole.console.screens.steering import READONLY, SteeringScreen, only_read
from revconsole.records.runs.run import Summary

Verb = Callable[[LiveScreen, Sequence[Summary], list[keep.Undo]], None]


class KeepingScreen(SteeringScreen):
    """An abstract screen that remembers what it did to runs, to undo it."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._undone: list[keep.Undo] = []

    @abstractmethod
    def kept_runs(self) -> list[Summary]:
        """The runs that the keys act on."""

    def action_edit(self) -> None:
        """Edit the name, the tags and the note of the run, or the tags of the marked runs."""
        self._keep(keep.edit)

    def action_archive(self) -> None:
        """Archive the run or the marked runs: lists leave them out."""
        self._keep(keep.archive)

    def action_delete(self) -> None:
        """Delete the run or the marked runs, after a question."""
        self._keep(keep.delete)

    def action_undo(self) -> None:
        """Undo the last archiving, deleting or editing."""
        if self.reader.lab.readonly:
            self.refuse(READONLY)
        else:
            keep.undo(self, self._undone)

    def _keep(self, verb: Verb) -> None:
        runs = self.kept_runs()
        if self.reader.lab.readonly:
            self.refuse(READONLY)
        elif beside := [run for run in runs if run.beside]:
            self.refuse(only_read(beside[0]))
        elif runs:
            verb(self, runs, self._undone)
        else:
            self.refuse("there is no run here yet")
