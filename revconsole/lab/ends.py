"""Ends: what a process that follows runs does when it sees one end: it tells of it if nobody has, and rings if asked to."""

from collections.abc import Callable, Iterable

from revconsole.lab.lab import Lab
from revconsole.records.config.config import Config
from revconsole.records.notices.ends import Watched, notice_of, tell_of
from revconsole.records.runs.run import Summary


class SeenEnds:
    """Looks at runs each time they are read. ring: rings the terminal's bell for a sentence."""

    def __init__(self, lab: Lab, config: Config, ring: Callable[[str], object]) -> None:
        self._lab, self._config, self._ring = lab, config, ring
        self._watched = Watched()

    def look(self, runs: Iterable[Summary]) -> None:
        """Tell of the runs that have ended since the last look."""
        for run in self._watched.ended(runs):
            notice = notice_of(run)
            if not self._lab.readonly:
                tell_of(self._lab.store, run, self._config)
            if self._config["notify.bell"] and notice.wanted(self._config):
                self._ring(notice.sentence)
