"""Search pool: a search that trains in a background process, for a command that waits for it."""

import signal

from revconsole.lab.lab import Lab
from revconsole.lab.pool import Pool
from revconsole.lab.search.launching import at_work
from revconsole.lab.search.searching import Searching
from revconsole.records.runs.run import Summary
from revconsole.records.search.launched import SearchLaunch


class SearchPool(Pool):
    """The runs that the process of a launch goes on with, and those that it makes."""

    def __init__(self, lab: Lab, searching: Searching, launch: SearchLaunch) -> None:
        super().__init__(lab, [run_id for run_id, _ in launch.runs], launch.holder)
        self._searching, self._launch = searching, launch
        self._before = set(self._made()) - set(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the runs so far, without those that had ended before the launch."""
        return () if self._left else tuple(i for i in self._made() if i not in self._before)

    def over(self, rows: dict[str, Summary]) -> bool:
        """Whether nothing trains any more, nor will."""
        if self._launch.job:
            self._lab.jobs.look()
            names = {each.name for each in at_work(self._lab.store, self._launch.search)}
            return self._launch.name not in names and all(run.ended for run in rows.values())
        return super().over(rows)

    def _made(self) -> list[str]:
        return [each.summary.id for each in self._searching.standing().standings if each.summary]

    def stop_all(self, why: str = "") -> None:
        """Stop the process from drawing trials, and each run that trains after its step."""
        del why
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    def end_all_now(self, why: str = "") -> None:
        """Kill what still trains, after the process was told to begin nothing else, and record it as stopped."""
        self.stop_all(why)
        super().end_all_now(why)
