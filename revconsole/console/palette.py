"""Palette: Ctrl-P lists every action of the screen in front, and every run."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from revconsole.console.ranking import NOT_MATCHED, rank
from revconsole.records.printable import one_line

Command = tuple[str, str, Callable[[], Any]]
"""What it does, a few words about it, and the call that does it. Names come from outside and are never markup."""


class Commands(Provider):
    """Commands that are found by typing a part of their names."""

    @abstractmethod
    def _commands(self) -> Iterator[Command]:
        """Every command that there is now."""

    async def search(self, query: str) -> Hits:
        """The commands that match the query."""
        matcher = self.matcher(query)
        for name, about, run in self._commands():
            score = matcher.match(name)
            if score > 0:  # also of letters with others between them, which come last
                better = NOT_MATCHED - rank(query, (name,))
                yield Hit(better + min(score, 1.0), Text(name), run, text=name, help=about)


class Actions(Commands):
    """The actions of the screen in front that have a key."""

    def _commands(self) -> Iterator[Command]:
        seen = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.description and binding.action not in seen:
                seen.add(binding.action)
                run = partial(self.app.run_action, binding.action, active.node)
                yield binding.description, f"key {self.app.get_key_display(binding)}", run

    async def discover(self) -> Hits:
        """All actions, shown before anything is typed."""
        for name, key, run in self._commands():
            yield DiscoveryHit(Text(name), run, help=key)


class Runs(Commands):
    """Every run; choosing one opens it."""

    def _commands(self) -> Iterator[Command]:
        for run in getattr(self.app, "reader").latest.summaries:  # noqa: B009  the app's, untyped here
            opened = partial(self.app.run_action, f"open_run('{run.id}')")
            yield f"Open run {one_line(run.name)} {run.id}", run.state, opened


@runtime_checkable
class Charted(Protocol):
    """A screen with charts."""

    def offered(self) -> Sequence[str]:
        """Everything that a chart can show."""

    def show_metric(self, metric: str) -> None:
        """Let the focused chart show it."""


class Metrics(Commands):
    """Everything that the charts of the screen in front can show; choosing one draws it in the focused chart."""

    def _commands(self) -> Iterator[Command]:
        if isinstance(self.screen, Charted):
            for metric in self.screen.offered():
                name = f"Chart {one_line(metric.replace('_', ' '))}"
                yield name, "in the focused chart", partial(self.screen.show_metric, metric)
