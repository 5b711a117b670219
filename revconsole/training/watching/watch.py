"""Watch: passes every event of a run to the rules and returns their advice, once per onset."""

from collections.abc import Iterator

from revconsole.records.logs.events import Advised, EpochFinished, Event, Measured
from revconsole.training.watching import chance, loss, memory, rate
from revconsole.training.watching.seen import WatchedRun, WatchedSoFar


class Watch:
    """The rules on one run. seen: their state, also from an earlier attempt."""

    def __init__(self, subject: WatchedRun, seen: WatchedSoFar) -> None:
        self.subject, self.seen = subject, seen

    def check(self, event: Event) -> Iterator[Advised]:
        """The advice after an event."""
        match event:
            case Measured(step=step, values=values) if step:
                self.seen.add_step(self.subject, step, values)
                yield from self._after_step()
            case EpochFinished():
                yield from self._after_epoch(event)
            case _:
                pass

    def _after_step(self) -> Iterator[Advised]:
        subject, seen = self.subject, self.seen
        if loss.diverged(subject, seen):
            yield from self._raise(loss.DIVERGED, loss.divergence(subject, seen))
        elif loss.DIVERGED in seen.standing and _recovered(subject, seen):
            yield self._taken_back(loss.DIVERGED, f"the loss is {seen.recent(subject):.3g} again")
        yield from self._warn(rate.DECAYED, rate.decayed(subject, seen))
        yield from self._warn(memory.GROWS, memory.grows(seen))

    def _after_epoch(self, event: EpochFinished) -> Iterator[Advised]:
        subject, seen, values = self.subject, self.seen, event.values
        if subject.guessing_loss is not None:
            yield from self._warn(
                loss.OVERFITTED, loss.over_fitting(subject, seen, event.epoch, values)
            )
        judged = chance.judged(subject, seen, values)
        if judged and loss.DIVERGED not in seen.standing:
            yield from self._raise(chance.CHANCE, chance.sentence(subject, seen, values))
        elif judged is False and chance.CHANCE in seen.standing:
            yield self._taken_back(chance.CHANCE, "the network has begun to learn")

    def _warn(self, rule: str, text: str | None) -> Iterator[Advised]:
        """A warning, given once per run, because its condition comes and goes with noise."""
        if text is not None and rule not in self.seen.told:
            self.seen.told.append(rule)
            yield Advised(level="warning", text=text, rule=rule)

    def _raise(self, rule: str, text: str) -> Iterator[Advised]:
        seen = self.seen
        if rule in seen.standing:
            return
        seen.standing.append(rule)
        seen.told = sorted({*seen.told, rule})
        yield Advised(level="alarm", text=text, rule=rule)

    def _taken_back(self, rule: str, why: str) -> Advised:
        self.seen.standing.remove(rule)
        return Advised(
            level="note",
            text=f"{why} at step {self.seen.step}: the alarm ({rule}) is over",
            rule=rule,
        )


def _recovered(subject: WatchedRun, seen: WatchedSoFar) -> bool:
    """Whether the loss is below the guessing loss again, well below the limit for divergence."""
    recent = seen.recent(subject)
    limit = subject.guessing_loss if subject.guessing_loss is not None else seen.first
    return recent is not None and limit is not None and recent < limit
