"""Watch: passes every event of a run to the rules and returns their advice, once per onset."""

from collections.abc import Callable, Iterator

from revconsole.records.logs.events import Advised, EpochFinished, Event, Finished, Measured
from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.rules import RULES
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

Spelled = Callable[[Finding], str]
"""The command line of a finding; empty if there is none."""


class Watch:
    """The rules on one run. seen: their state, also from an earlier attempt."""

    def __init__(
        self, subject: WatchedRun, seen: WatchedSoFar, spelled: Spelled = lambda _: ""
    ) -> None:
        self.subject, self.seen, self._spelled = subject, seen, spelled

    def check(self, event: Event) -> Iterator[Advised]:
        """The advice after an event. The last step of a report has what is measured once per report."""
        match event:
            case Measured(step=step, values=values):
                self.seen.add_step(self.subject, step, values)
                if step and "resident_bytes" in values:
                    yield from self._ask()
            case EpochFinished():
                self.seen.add_epoch(event)
                yield from self._ask()
            case Finished(outcome="completed", values=values):
                self.seen.ending = dict(values)
                yield from self._ask()
            case _:
                pass

    def _ask(self) -> Iterator[Advised]:
        for rule in RULES:
            if rule.name in self.seen.standing:
                yield from self._taken_back(rule)
            elif rule.unless.isdisjoint(self.seen.standing):
                yield from self._asked(rule)

    def _asked(self, rule: WatchRule) -> Iterator[Advised]:
        seen = self.seen
        finding = rule.look(self.subject, seen)
        if finding is None:
            return
        seen.standing.append(rule.name)
        seen.told = sorted({*seen.told, rule.name})
        command = self._spelled(finding)
        yield Advised(level=rule.level, text=finding.text, rule=rule.name, command=command)

    def _taken_back(self, rule: WatchRule) -> Iterator[Advised]:
        """Yield the news that a condition is over, for alarms alone, because only they stand in the run's state."""
        why = rule.over(self.subject, self.seen) if rule.over else None
        if why is None:
            return
        self.seen.standing.remove(rule.name)
        if rule.level == "alarm":
            text = f"{why} at step {self.seen.step}: the alarm ({rule.name}) is over"
            yield Advised(level="note", text=text, rule=rule.name)
