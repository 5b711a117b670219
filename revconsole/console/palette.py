"""Palette: ctrl+p lists every action of the screen in front, and every run."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from revconsole.records.printable import one_line

Command = tuple[str, str, Callable[[], Any]]


class Actions(Provider):
    """Every action with a key on the screen in front."""

    def _commands(self) -> Iterator[Command]:
        seen = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.description and binding.action not in seen:
                seen.add(binding.action)
                run = partial(self.app.run_action, binding.action, active.node)
                yield binding.description, f"key {self.app.get_key_display(binding)}", run

    async def discover(self) -> Hits:
        """All of them."""
        for name, key, run in self._commands():
            yield DiscoveryHit(Text(name), run, help=key)

    async def search(self, query: str) -> Hits:
        """The commands that match what is typed."""
        matcher = self.matcher(query)
        for name, key, run in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, Text(name), run, text=name, help=key)


class Runs(Provider):
    """Every run: choosing one opens it. Names are untrusted, so they are never markup."""

    async def search(self, query: str) -> Hits:
        """Runs whose name or id matches."""
        matcher = self.matcher(query)
        for run in getattr(self.app, "reader").latest.summaries:  # noqa: B009  the app's, untyped here
            name = f"Open run {one_line(run.name)} {run.id}"
            score = matcher.match(name)
            if score > 0:
                opened = partial(self.app.run_action, f"open_run('{run.id}')")
                yield Hit(score, Text(name), opened, text=name, help=f"{run.state}")
