"""Search pool: a search that trains in a background process, as a command sees it that waits for it."""

import signal

from revconsole.lab.lab import Lab
from revconsole.lab.pool import Pool
from revconsole.lab.search.searching import Searching
from revconsole.records.search.launched import SearchLaunch


class SearchPool(Pool):
    """The runs that the process of a launch goes on with, and those that it makes."""

    def __init__(self, lab: Lab, searching: Searching, launch: SearchLaunch) -> None:
        super().__init__(lab, [run_id for run_id, _ in launch.runs], launch.holder)
        self._searching = searching
        self._before = set(self._made()) - set(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The runs so far; those that had ended before the launch are none of them."""
        return () if self._left else tuple(i for i in self._made() if i not in self._before)

    def _made(self) -> list[str]:
        return [each.summary.id for each in self._searching.standing().standings if each.summary]

    def stop_all(self, why: str = "") -> None:
        """Let the process draw nothing any more, and stop what trains after its step."""
        del why
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    def end_all_now(self, why: str = "") -> None:
        """Kill what still trains, after the process was told to begin nothing else, and record it as stopped."""
        self.stop_all(why)
        super().end_all_now(why)
