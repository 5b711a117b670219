"""Where a study stands: which of its runs are done, which are still to do, and how long those will take.

A run belongs to a plan by the plan's digest, whoever launched it: what has been trained once is not trained again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab import format as form
from revconsole.records.runs.run import Summary
from revconsole.records.sections.section import UNSET, Section
from revconsole.records.settings import idle
from revconsole.records.settings.layer import SECTIONS
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.study import Arm, Study

Progress = Literal["done", "running", "interrupted", "to do"]
DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStudy:
    """A study as asked for by name or path: full or quick, with settings of the command line, and every arm it makes."""

    named: str
    study: Study
    arms: tuple[Arm, ...]
    quick: bool
    settings: Mapping[str, Any]

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Every run, arm by arm."""
        return tuple(plan for arm in self.arms for plan in arm.plans)

    def set_in(self, key: str) -> str:
        """The file, or the command line, that a key was set in."""
        return COMMAND_LINE if key in self.settings else self.study.where


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One planned run, and the run of the store that answers to it, if there is one."""

    plan: Plan
    summary: Summary | None

    @property
    def progress(self) -> Progress:
        """What is to be done about it."""
        if self.summary is None:
            return "to do"
        if self.summary.state == "finished":
            return "done"
        return "interrupted" if self.summary.ended else "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyForecast:
    """How long what is left will take, and where the number comes from: how many runs are known from what."""

    seconds: float
    from_runs: int = 0
    measured: int = 0
    unknown: int = 0
    done: int = 0
    """Runs beside these that are done, of other arms for instance."""

    @property
    def left(self) -> int:
        """Runs that are not done."""
        return self.from_runs + self.measured + self.unknown

    @property
    def blank(self) -> bool:
        """Whether something is left, and nothing is known of its time."""
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
            parts.append(f"{_runs(self.from_runs)} as long as earlier ones took")
        if self.measured:
            parts.append(f"{_runs(self.measured)} from a few steps measured")
        if self.unknown:
            parts.append(f"{_runs(self.unknown)} unknown and not counted")
        return f"about {form.duration(self.seconds)} ({'; '.join(parts)})"


NOTHING_LEFT = StudyForecast(seconds=0.0)


def _unknown(done: int) -> str:
    """A sentence for a time that is unknown; done: runs of the same study that say nothing about what is left."""
    if not done:
        return "unknown until one run of each kind is done"
    which = f"the {done} runs done are" if done > 1 else "the run done is"
    return f"unknown: {which} of other arms"


class RunKeys:
    """Digest and pace of runs, each worked out once: of ten thousand runs that takes seconds."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._paces: dict[str, str] = {}

    def digest(self, run: Summary) -> str:
        """What its plan is known by."""
        if run.id not in self._digests:
            self._digests[run.id] = run.plan.digest()
        return self._digests[run.id]

    def pace(self, run: Summary) -> str:
        """What runs have in common that take equally long per epoch."""
        if run.id not in self._paces:
            self._paces[run.id] = pace_key(run.plan)
        return self._paces[run.id]


def standings(
    plans: Iterable[Plan], summaries: Sequence[Summary], keys: RunKeys | None = None
) -> tuple[Standing, ...]:
    """Each plan with its run: a finished one before a living one before one that ended early, else the newest."""
    known = keys or RunKeys()
    found: dict[str, list[Summary]] = {}
    for summary in summaries:
        if summary.state != DAMAGED:
            found.setdefault(known.digest(summary), []).append(summary)
    return tuple(
        Standing(plan=plan, summary=min(found.get(plan.digest(), []), key=_rank, default=None))
        for plan in plans
    )


def belongs(plan: Plan, study: str) -> bool:
    """Whether a run was launched from the file of that name, as a study or as a profile."""
    return study in {plan.study, plan.profile}


def begun(
    study: str,
    summaries: Sequence[Summary],
    keys: RunKeys | None = None,
    planned: Iterable[Plan] = (),
) -> tuple[Standing, ...]:
    """The runs of a study that were launched, each plan once, the oldest first.

    These are all that were launched from its file, however its settings were changed, and whatever else trained one
    of the `planned` runs, in whose names they are shown.
    """
    known = keys or RunKeys()
    called = {plan.digest(): plan for plan in planned}
    found: dict[str, Plan] = {}
    for s in reversed(summaries):
        digest = known.digest(s)
        if s.state != DAMAGED and (digest in called or belongs(s.plan, study)):
            found[digest] = called.get(digest, s.plan)
    return standings(found.values(), summaries, known)


def forecast(
    standing: Iterable[Standing],
    summaries: Sequence[Summary],
    measure: Callable[[Plan], float] | None = None,
    keys: RunKeys | None = None,
) -> StudyForecast:
    """How long the runs that are not done will take. `measure` tells it of a plan that nothing is known of.

    What cannot be measured is unknown: it will fail in its run, and hold up no other. Raises DataUnavailable only
    where that is so of every run.
    """
    known = _paces(summaries, keys or RunKeys())
    sources: list[float | RevconsoleError | None] = []
    seconds, from_runs, done = 0.0, 0, 0
    measured: dict[str, float | RevconsoleError | None] = {}
    for each in standing:
        if each.progress == "done":
            done += 1
            continue
        key, epochs = pace_key(each.plan), each.plan.epochs
        if key in known:
            per_epoch, once = known[key]
            seconds, from_runs = seconds + per_epoch * epochs * _left(each) + once, from_runs + 1
            continue
        if key not in measured:
            measured[key] = _per_epoch(each.plan, measure)
        found = measured[key]
        seconds += found * epochs * _left(each) if isinstance(found, float) else 0.0
        sources.append(found)
    counted = sum(isinstance(source, float) for source in sources)
    if sources and not from_runs and all(isinstance(s, DataUnavailable) for s in sources):
        raise next(s for s in sources if isinstance(s, DataUnavailable))
    return StudyForecast(
        seconds=seconds,
        from_runs=from_runs,
        measured=counted,
        unknown=len(sources) - counted,
        done=done,
    )


def _per_epoch(
    plan: Plan, measure: Callable[[Plan], float] | None
) -> float | RevconsoleError | None:
    """Seconds of an epoch as measured, None if nobody measures, or why it cannot be."""
    if measure is None:
        return None
    try:
        return measure(plan) / plan.epochs
    except RevconsoleError as error:
        return error


def to_launch(standing: Iterable[Standing]) -> list[Standing]:
    """What is neither done nor being trained. Raises RevconsoleError for a list of nothing planned."""
    wanted = list(standing)
    if not wanted:
        raise RevconsoleError(
            "nothing of this study has been launched; `revconsole study run` does"
        )
    return [each for each in wanted if each.progress in {"to do", "interrupted"}]


def own_profile(plan: Plan) -> dict[str, Any]:
    """A profile of one run alone: every setting as resolved, so that it can be repeated without the study."""
    plan = idle.without_effect(plan)
    sections = {key: _as_said(plan, key) for key in SECTIONS}
    of = f"{plan.arm}, of the study {plan.study}" if plan.study else plan.name
    return {
        "title": of,
        "seeds": [plan.seed],
        "backward": plan.backward,
        **sections,
    }


def _as_said(plan: Plan, key: str) -> dict[str, Any]:
    """Every setting of a section that has an effect; what is unset is said where it would not be by itself."""
    section: Section = getattr(plan, key)
    defaults = {name: each.default for name, each in type(section).model_fields.items()}
    said = {k: UNSET if v is None else v for k, v in section.model_dump().items()}
    needless = {k for k in said if idle.why(plan, f"{key}.{k}")}
    needless |= {k for k, v in said.items() if v == UNSET and defaults[k] in {None, UNSET}}
    return {k: v for k, v in said.items() if k not in needless}


def tally(standing: Sequence[Standing]) -> str:
    """How many are in which state, as one sentence."""
    counts = dict.fromkeys(("done", "running", "waiting", "interrupted", "to do"), 0)
    for each in standing:
        queued = each.summary is not None and each.summary.state == "queued"
        counts["waiting" if queued else each.progress] += 1
    parts = [f"{count} {word}" for word, count in counts.items() if count and word != "done"]
    alarmed = sum(each.summary is not None and bool(each.summary.alarm) for each in standing)
    told = [f"{alarmed} with an alarm"] if alarmed else []
    return ", ".join([f"{counts['done']} of {_runs(len(standing))} done", *parts, *told])


def memory(
    standing: Iterable[Standing],
    summaries: Sequence[Summary],
    needs: Mapping[str, int],
    keys: RunKeys | None = None,
) -> str:
    """What the runs that are not done will take at once, as people read it.

    needs: bytes of a training step by pace, as far as they were counted; runs alike that finished come before them.
    """
    peaks = _peaks(summaries, keys or RunKeys())
    every = list(standing)
    wanted = {pace_key(each.plan): each.plan.arm for each in every if each.progress != "done"}
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
    """By pace, of the newest finished run: bytes, and what they are of."""
    found: dict[str, tuple[int, str]] = {}
    for s in summaries:
        if s.state == "finished" and s.peak_memory_bytes:
            found.setdefault(keys.pace(s), (s.peak_memory_bytes, s.peak_memory_of))
    return found


def _paces(summaries: Sequence[Summary], keys: RunKeys) -> dict[str, tuple[float, float]]:
    """By pace, of the newest finished run: seconds of an epoch, and of what is done once."""
    found: dict[str, tuple[float, float]] = {}
    for s in summaries:
        if s.state == "finished" and s.seconds > 0:
            per_epoch, once = s.seconds_per_epoch, s.seconds_at_end
            if per_epoch is None:
                per_epoch, once = s.seconds / s.plan.epochs, 0.0
            found.setdefault(keys.pace(s), (per_epoch, once))
    return found


def pace_key(plan: Plan) -> str:
    """Runs that differ only in seed and in length take equally long per epoch, in one place."""
    one_epoch = plan.train.model_copy(update={"epochs": 1, "steps": None})
    alike = plan.model_copy(update={"seed": 0, "train": one_epoch})
    return " ".join([alike.digest(), *map(str, plan.where)])


def _left(each: Standing) -> float:
    """The share of a run that is still to be trained."""
    s = each.summary
    return 1.0 - s.step / s.steps if s is not None and s.steps else 1.0


def _rank(summary: Summary) -> tuple[int, float]:
    order = 0 if summary.state == "finished" else 2 if summary.ended else 1
    return order, -summary.created


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"
