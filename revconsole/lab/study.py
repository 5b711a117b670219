"""Progress of a study: which of its runs are done, which are left, and how long those will take.

A run belongs to a plan by the plan's digest, no matter who launched it, so nothing is trained twice.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from revconsole.errors import DataUnavailable, RevconsoleError, WrongState
from revconsole.lab import format as form
from revconsole.records.printable import plural
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.study import Arm, Study

Progress = Literal["done", "pruned", "running", "interrupted", "to do"]
DAMAGED = "damaged"
MOST_PLANS = 20_000
"""Plans whose keys are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStudy:
    """A study by name or path, full or quick, with settings of the command line, and all its arms."""

    named: str
    study: Study
    arms: tuple[Arm, ...]
    quick: bool
    settings: Mapping[str, Any]

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All runs, arm by arm."""
        return tuple(plan for arm in self.arms for plan in arm.plans)

    def set_in(self, key: str) -> str:
        """The file, or the command line, in which a key was set."""
        return COMMAND_LINE if key in self.settings else self.study.where


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A planned run, and the run of the store that trains it; None if there is none."""

    plan: Plan
    summary: Summary | None

    @property
    def progress(self) -> Progress:
        """Whether the run is done, stopped early as a trial of its search, running, interrupted or to do."""
        if self.summary is None:
            return "to do"
        if self.summary.state == "pruned" and self.plan.trial is not None:
            return "pruned"
        if self.summary.state == "finished":
            return "done"
        return "interrupted" if self.summary.ended else "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyForecast:
    """How long the remaining runs take, and how many of the times come from earlier runs, from measured steps, or are unknown."""

    seconds: float
    from_runs: int = 0
    measured: int = 0
    unknown: int = 0
    done: int = 0
    """Number of finished runs of the same study."""
    at_once: int = 1
    """Number of runs that train at the same time."""

    @property
    def left(self) -> int:
        """Number of runs that are not done."""
        return self.from_runs + self.measured + self.unknown

    @property
    def blank(self) -> bool:
        """Whether runs are left and the time of none is known."""
        return 0 < self.unknown == self.left

    @property
    def sentence(self) -> str:
        """The forecast as a sentence."""
        if not self.left:
            return "nothing left"
        if self.blank:
            return _unknown(self.done)
        parts = []
        if self.from_runs:
            parts.append(f"{plural(self.from_runs, 'run')} as long as earlier ones took")
        if self.measured:
            parts.append(f"{plural(self.measured, 'run')} from a few steps measured")
        if self.unknown:
            parts.append(f"{plural(self.unknown, 'run')} unknown and not counted")
        if self.at_once > 1:
            parts.append(f"{self.at_once} at once, each as fast as alone")
        return f"about {form.duration(self.seconds)} ({'; '.join(parts)})"


NOTHING_LEFT = StudyForecast(seconds=0.0)


def _unknown(done: int) -> str:
    """A sentence for an unknown time. done: finished runs of the study, which are of other arms."""
    if not done:
        return "unknown until one run of each kind is done"
    which = f"the {done} runs done are" if done > 1 else "the run done is"
    return f"unknown: {which} of other arms"


class RunKeys:
    """Digest and pace key of runs and of plans, each computed once, because ten thousand of them take seconds."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._paces: dict[str, str] = {}
        self._of_plans: dict[int, tuple[Plan, str, str]] = {}

    def of_plan(self, plan: Plan) -> tuple[str, str]:
        """Digest and pace key of a plan, remembered as long as the same object is asked for."""
        if id(plan) not in self._of_plans:
            if len(self._of_plans) >= MOST_PLANS:
                self._of_plans.clear()
            self._of_plans[id(plan)] = plan, plan.digest(), pace_key(plan)
        return self._of_plans[id(plan)][1:]

    def digest(self, run: Summary) -> str:
        """The digest of the run's plan."""
        if run.id not in self._digests:
            self._digests[run.id] = run.plan.digest()
        return self._digests[run.id]

    def pace(self, run: Summary) -> str:
        """The pace key of the run; see `pace_key`."""
        if run.id not in self._paces:
            self._paces[run.id] = pace_key(run.plan)
        return self._paces[run.id]


def standings(
    plans: Iterable[Plan], summaries: Sequence[Summary], keys: RunKeys | None = None
) -> tuple[Standing, ...]:
    """Each plan with its run in the store: a finished one, else one that has not ended, else the newest."""
    known = keys or RunKeys()
    by_digest: dict[str, list[Summary]] = {}
    for summary in summaries:
        if summary.state != DAMAGED:
            by_digest.setdefault(known.digest(summary), []).append(summary)
    return tuple(
        Standing(
            plan=plan,
            summary=min(by_digest.get(known.of_plan(plan)[0], []), key=_rank, default=None),
        )
        for plan in plans
    )


def belongs(plan: Plan, study: str) -> bool:
    """Whether a run was launched from the study or profile of that name."""
    return study in {plan.study, plan.profile}


def begun(
    study: str,
    summaries: Sequence[Summary],
    keys: RunKeys | None = None,
    planned: Iterable[Plan] = (),
) -> tuple[Standing, ...]:
    """The launched runs of a study, each plan once, oldest first: those of its file, and others that train a `planned` run."""
    known = keys or RunKeys()
    called = {plan.digest(): plan for plan in planned}
    launched: dict[str, Plan] = {}
    for s in reversed(summaries):
        digest = known.digest(s)
        if s.state != DAMAGED and (digest in called or belongs(s.plan, study)):
            launched[digest] = called.get(digest, s.plan)
    return standings(launched.values(), summaries, known)


def forecast(
    standing: Iterable[Standing],
    summaries: Sequence[Summary],
    measure: Callable[[Plan], float] | None = None,
    keys: RunKeys | None = None,
    at_once: int = 1,
) -> StudyForecast:
    """How long the runs that are not done will take. measure: seconds of a plan for which no earlier run is known.

    at_once: how many of them train at the same time; each takes the place that is free first.

    A plan that cannot be measured counts as unknown: its run will fail and does not hold up the others. Raises
    DataUnavailable only if the data of every run are unavailable.
    """
    keys = keys or RunKeys()
    known = _paces(summaries, keys)
    sources: list[float | RevconsoleError | None] = []
    taken, from_runs, done = list[float](), 0, 0
    measured: dict[str, float | RevconsoleError | None] = {}
    for each in standing:
        if each.progress in {"done", "pruned"}:
            done += each.progress == "done"
            continue
        key, epochs = keys.of_plan(each.plan)[1], each.plan.epochs
        if key in known:
            per_epoch, once = known[key]
            taken.append(per_epoch * epochs * _left(each) + once)
            from_runs += 1
            continue
        if key not in measured:
            measured[key] = _per_epoch(each.plan, measure)
        measurement = measured[key]
        if isinstance(measurement, float):
            taken.append(measurement * epochs * _left(each))
        sources.append(measurement)
    counted = sum(isinstance(source, float) for source in sources)
    if sources and not from_runs and all(isinstance(s, DataUnavailable) for s in sources):
        raise next(s for s in sources if isinstance(s, DataUnavailable))
    return StudyForecast(
        seconds=longest_place(taken, at_once),
        at_once=at_once,
        from_runs=from_runs,
        measured=counted,
        unknown=len(sources) - counted,
        done=done,
    )


def longest_place(seconds: Iterable[float], places: int) -> float:
    """How long runs of these lengths take if so many train at once, each where it is free first, in this order."""
    taken = [0.0] * places
    for each in seconds:
        heapq.heapreplace(taken, taken[0] + each)
    return max(taken)


def seconds_left(
    standing: Iterable[Standing], summaries: Sequence[Summary], keys: RunKeys
) -> list[float | None]:
    """How long each run still takes, from finished runs like it, else from the epochs of one that trains; None is unknown."""
    going = [s for s in summaries if not s.ended and s.seconds_per_epoch]
    known = {keys.pace(s): (s.seconds_per_epoch or 0.0, 0.0) for s in going}
    known |= _paces(summaries, keys)
    found = [(each, known.get(keys.of_plan(each.plan)[1])) for each in standing]
    return [
        None if pace is None else pace[0] * each.plan.epochs * _left(each) + pace[1]
        for each, pace in found
    ]


def _per_epoch(
    plan: Plan, measure: Callable[[Plan], float] | None
) -> float | RevconsoleError | None:
    """Measured seconds per epoch; None without `measure`, the error if measuring fails."""
    if measure is None:
        return None
    try:
        return measure(plan) / plan.epochs
    except RevconsoleError as error:
        return error


def to_launch(standing: Iterable[Standing]) -> list[Standing]:
    """The runs that are neither done nor training. Raises RevconsoleError if `standing` is empty."""
    wanted = list(standing)
    if not wanted:
        raise WrongState(
            "no run of this study has been launched; `revconsole study run` launches them"
        )
    return [each for each in wanted if each.progress in {"to do", "interrupted"}]


def new_plans(standing: Iterable[Standing]) -> list[Plan]:
    """The plans that no run of the store has begun."""
    return [each.plan for each in standing if each.summary is None]


def tally(standing: Sequence[Standing]) -> str:
    """A sentence with the number of runs in each state."""
    counts = dict.fromkeys(("done", "pruned", "running", "waiting", "interrupted", "to do"), 0)
    for each in standing:
        queued = each.summary is not None and each.summary.state == "queued"
        counts["waiting" if queued else each.progress] += 1
    parts = [f"{count} {word}" for word, count in counts.items() if count and word != "done"]
    alarmed = sum(each.summary is not None and bool(each.summary.alarm) for each in standing)
    alarms = [f"{alarmed} with an alarm"] if alarmed else []
    return ", ".join([f"{counts['done']} of {plural(len(standing), 'run')} done", *parts, *alarms])


def memory(
    standing: Iterable[Standing],
    summaries: Sequence[Summary],
    needs: Mapping[str, int],
    keys: RunKeys | None = None,
) -> str:
    """A sentence on the peak memory of the remaining runs, of one that trains alone.

    needs: bytes of a training step by pace key, where measured; peaks of finished runs with the same key take precedence.
    """
    keys = keys or RunKeys()
    peaks, every = _peaks(summaries, keys), list(standing)
    left = [each.plan for each in every if each.progress != "done"]
    wanted = {keys.of_plan(plan)[1]: plan.arm for plan in left}
    taken = [peaks[key] for key in wanted if key in peaks]
    counted = [
        (needs[key], arm) for key, arm in wanted.items() if key in needs and key not in peaks
    ]
    parts = []
    if taken:
        most, of = max(taken)
        parts.append(f"at most {form.memory(most)} {of}, as earlier runs took")
    if counted:
        most, arm = max(counted)
        whose = f" ({arm})" if arm else ""
        parts.append(f"at most {form.memory(most)} for a training step{whose}, as counted")
    if not wanted:
        return "nothing left"
    return "; ".join(parts) or _unknown(sum(each.progress == "done" for each in every))


def _peaks(summaries: Sequence[Summary], keys: RunKeys) -> dict[str, tuple[int, str]]:
    """Peak memory of the newest finished run by pace key: bytes, and what they are of."""
    peaks: dict[str, tuple[int, str]] = {}
    for s in summaries:
        if s.state == "finished" and s.peak_memory_bytes:
            peaks.setdefault(keys.pace(s), (s.peak_memory_bytes, s.peak_memory_of))
    return peaks


def _paces(summaries: Sequence[Summary], keys: RunKeys) -> dict[str, tuple[float, float]]:
    """Times of the newest finished run by pace key: seconds per epoch, and seconds spent once."""
    paces: dict[str, tuple[float, float]] = {}
    for s in summaries:
        if s.state == "finished" and s.seconds > 0:
            per_epoch, once = s.seconds_per_epoch, s.seconds_at_end
            if per_epoch is None:
                per_epoch, once = s.seconds / s.plan.epochs, 0.0
            paces.setdefault(keys.pace(s), (per_epoch, once))
    return paces


def _left(each: Standing) -> float:
    """The fraction of a run's steps that are left."""
    s = each.summary
    return 1.0 - s.step / s.steps if s is not None and s.steps else 1.0


def _rank(summary: Summary) -> tuple[int, float]:
    order = 0 if summary.state == "finished" else 2 if summary.ended else 1
    return order, -summary.created
