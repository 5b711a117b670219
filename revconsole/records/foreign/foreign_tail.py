"""ForeignTail: reads one run of another tool as it grows, and shows it as a run of ours."""

import math
import time
from dataclasses import replace

from revconsole.records.foreign import kept
from revconsole.records.foreign.brief import SILENCE_SECONDS, Brief, brief_of, state_of
from revconsole.records.foreign.following import Position, Stamp, catch_up, finished, stamps, torn
from revconsole.records.foreign.found import Found
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.naming import declared, our_names
from revconsole.records.foreign.part import Part
from revconsole.records.logs.events import EpochFinished
from revconsole.records.printable import one_line, plural
from revconsole.records.runs.process_output import OutputFile
from revconsole.records.runs.run import LogLine, Run, Series, Summary
from revconsole.records.settings.given_plan import GivenPlan

SETTLED_SECONDS = 60.0
"""Seconds without anything new after which the points of a run that only a row is asked of are let go."""


class ForeignTail:
    """One reader of one run of another tool. Not thread-safe. seconds: about how long one look may read."""

    epochs: tuple[EpochFinished, ...] = ()
    """What other tools call an epoch is not known, so there are none."""

    def __init__(self, found: Found, *, seconds: float = math.inf) -> None:
        self.found, self._seconds = found, seconds
        self._stamps: tuple[Stamp, ...] | None = None
        self._brief = Brief()
        self._plan: GivenPlan | None = None
        self._positions: dict[str, Position] = {}
        self._gathered: Gathered | None = None
        self._unsaved, self._newest = 0, 0.0
        self._printed: OutputFile | None = None

    def summary(self) -> Summary:
        """The present table row of the run."""
        self._look(points=False)
        if self._gathered is not None and self._silence() > SETTLED_SECONDS and not self._unsaved:
            self._gathered = None
        return self._row()

    def run(self) -> Run:
        """The run with every point."""
        self._look(points=True)
        row, gathered = self._row(), self._gathered or Gathered()
        lines = [
            LogLine(time=row.created, level="warning", text=text) for text in self._brief.faults
        ]
        if gathered.left_out:
            things = ", ".join(plural(n, kind) for kind, n in sorted(gathered.left_out.items()))
            text = f"recorded by {self.found.tool} and not shown here: {things}"
            lines.append(LogLine(time=row.created, level="note", text=text))
        facts = {"recorded_by": self.found.tool, "folder": str(self.found.folder)}
        return Run(
            summary=row,
            facts=facts,
            series=self._series(gathered),
            times=gathered.clock.times(),
            log=tuple(lines),
            output=self._output(),
        )

    def _output(self) -> tuple[LogLine, ...]:
        """What the run printed, if its tool keeps that."""
        path = self.found.printed()
        if path is None:
            return ()
        if self._printed is None:
            self._printed = OutputFile(path)
        self._printed.read()
        return tuple(self._printed.all())

    def _look(self, *, points: bool) -> None:
        """Take what is new, if anything is. points: they are wanted, too."""
        try:
            parts = self.found.parts()
            now = stamps(self.found.folder, parts)
        except OSError as error:  # unreachable at present: what was read stays valid
            self._brief = replace(
                self._brief, faults=(f"its folder cannot be read: {error.strerror}",)
            )
            return
        self._newest = max((moved for _, _, moved in now), default=0) / 1e9
        if now == self._stamps and (self._gathered is not None or not points):
            return
        if self._gathered is None and not points and self._from_cache(now):
            return
        self._take(parts, now)

    def _from_cache(self, now: tuple[Stamp, ...]) -> bool:
        """Take the row that is kept, if the files are those that it was made from."""
        known = kept.read(self.found.id, points=False)
        if known is None or known.stamps != now:
            return False
        self._brief, self._stamps, self._plan = known.brief, now, None
        return True

    def _take(self, parts: list[Part], now: tuple[Stamp, ...]) -> None:
        if self._gathered is None:
            known = kept.read(self.found.id, points=True)
            if known is not None and known.gathered is not None:
                self._positions, self._gathered = known.positions, known.gathered
        if self._gathered is None:
            self._positions, self._gathered = {}, Gathered()
        before, until = self._gathered.points, time.monotonic() + self._seconds
        if not catch_up(self.found.folder, parts, self._positions, self._gathered, until):
            self._positions, self._gathered, before = {}, Gathered(), 0
            catch_up(self.found.folder, parts, self._positions, self._gathered, until)
        self._stamps, self._plan = now if finished(self._positions) else None, None
        self._brief = brief_of(
            self._gathered, torn(self._positions, quiet=self._silence() > SILENCE_SECONDS)
        )
        self._unsaved += max(0, self._gathered.points - before)
        if self._stamps and self._unsaved >= max(kept.LEAST_POINTS, self._gathered.points // 8):
            kept.write(self.found.id, now, self._brief, self._positions, self._gathered)
            self._unsaved = 0

    def _silence(self) -> float:
        """Seconds since a file of the run was last written."""
        return max(0.0, time.time() - self._newest)

    def _row(self) -> Summary:
        brief, found = self._brief, self.found
        name = brief.name or found.title
        if self._plan is None:
            self._plan = GivenPlan.of(name, brief.settings, found.tool)
        state, reason = state_of(brief, found.tool, self._silence())
        if self._gathered is not None and self._stamps is None:
            reason = f"{reason}; it is still being read".removeprefix("; ")
        return Summary(
            id=found.id,
            name=name,
            state=state,
            reason=reason,
            plan=self._plan,
            created=brief.began or self._newest,
            step=brief.step,
            epoch=brief.epoch,
            steps=brief.steps,
            seconds=max(0.0, (brief.last or 0.0) - (brief.began or 0.0)),
            loss=brief.metrics.get("loss"),
            test_accuracy=brief.metrics.get("test_accuracy"),
            test_loss=brief.metrics.get("test_loss"),
            best_validation_accuracy=brief.best.get("validation_accuracy"),
            best_validation_loss=brief.best.get("validation_loss"),
            damaged_lines=brief.damaged,
            metrics=brief.metrics,
            loss_curve=brief.loss_curve,
            tags=brief.tags,
            note=brief.note,
            archived=brief.archived,
            beside=one_line(str(found.folder)),
        )

    def _series(self, gathered: Gathered) -> dict[str, Series]:
        shown = {}
        for theirs, ours in our_names(gathered.columns).items():
            column = gathered.columns[theirs].ordered
            metric = declared(theirs, ours, self.found.tool, gathered.axes.get(theirs, ""))
            shown[ours] = Series(
                metric, column.steps, column.values, len(column.values), column.pyramid
            )
        return shown
