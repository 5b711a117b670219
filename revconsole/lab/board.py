"""Board: studies as a screen shows them. Plans are cached, so that reading again each second costs little."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab.going_on import at_once
from revconsole.lab.lab import Lab
from revconsole.lab.noted import noted
from revconsole.lab.report.copies import originals
from revconsole.lab.report.statistics import MeanSpread, spread
from revconsole.lab.search import launching
from revconsole.lab.search.searching import Searching, SearchStanding
from revconsole.lab.study import (
    NOTHING_LEFT,
    PlannedStudy,
    Standing,
    StudyForecast,
    new_plans,
    tally,
)
from revconsole.records.runs.run import Summary
from revconsole.records.search.planned_search import PlannedSearch, planned_search
from revconsole.records.settings import search_path
from revconsole.records.settings.study import StudyFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStudy:
    """A study and its form. launched: the runs as they were launched, with the settings of then, instead of the planned runs."""

    study: str
    """Path of the study's file."""
    quick: bool = False
    launched: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of some runs are done, how many train or wait, and how many there are."""

    done: int
    going: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEntry:
    """A study in the list. shares: of the full form and, if it has one, of the quick form; empty if its file is not valid."""

    name: str
    title: str
    path: str
    own: bool
    """Whether it is the user's own rather than shipped with revconsole."""
    shares: tuple[Share, ...] = ()
    problem: str = ""
    """What is wrong with the study's file; empty if it is valid."""
    found: str = ""
    """Of a search, how far it is and the best so far; empty before its first trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStanding:
    """An arm with its runs by seed. accuracy: on the test images, over the finished seeds.

    gain: difference of the mean accuracy to that of the baseline, a fraction; None if their seeds differ.
    """

    name: str
    by_seed: Mapping[int, Standing]
    baseline: bool = False
    accuracy: MeanSpread | None = None
    gain: float | None = None
    kept_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One study: its description, its runs, and what is left to do."""

    asked: AskedStudy
    name: str
    facts: StudyFacts | None = None
    has_quick: bool = False
    arms: tuple[ArmStanding, ...] = ()
    standing: tuple[Standing, ...] = ()
    tally: str = ""
    note: str = ""
    """A sentence if the settings leave the study's baseline out, so that another arm is the baseline."""
    forecast: StudyForecast = NOTHING_LEFT
    memory: str = ""
    notes: tuple[str, ...] = ()
    """What is odd of the runs that have not begun."""
    problem: str = ""
    search: PlannedSearch | None = None
    """The search, if the study is one; its arms are then the trials so far, and the best with other seeds."""
    workers: str = ""
    """Who draws for the search; empty if nobody does."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all arms, ascending."""
        return tuple(sorted({seed for arm in self.arms for seed in arm.by_seed}))


Form = PlannedStudy | Searching
"""A study, full or quick: all its runs, or what draws them."""


class Board:
    """Reads the files of studies when they change, and matches their plans with the runs of the store."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._planned: dict[str, tuple[int, Form | RevconsoleError]] = {}

    def entries(self, runs: Sequence[Summary]) -> tuple[StudyEntry, ...]:
        """Every study, with how many of its runs are done."""
        studies = [(each, *self._forms(each)) for each in search_path.studies()]
        grids = [f for _, _, forms in studies for f in forms if isinstance(f, PlannedStudy)]
        # All studies at once, because each call walks over the runs.
        plans = [plan for form in grids for plan in form.plans]
        standing = iter(self._lab.standings_of(plans, runs))
        found: list[StudyEntry] = []
        for each, problem, forms in studies:
            searches = [form.standing(runs) for form in forms if isinstance(form, Searching)]
            shares = [
                _share(islice(standing, len(form.plans)))
                for form in forms
                if isinstance(form, PlannedStudy)
            ]
            entry = StudyEntry(
                name=each.name,
                title=each.title,
                path=str(each.path),
                own=each.own,
                problem=problem,
                shares=(*shares, *map(_share_of_search, searches)),
                found=searches[0].sentence if searches and searches[0].trials else "",
            )
            found.append(entry)
        return tuple(found)

    def study(self, asked: AskedStudy, runs: Sequence[Summary]) -> View:
        """One study. `problem` says what is wrong with it or with the settings."""
        name = Path(asked.study).stem
        try:
            planned = self._plan(asked)
        except RevconsoleError as error:
            return View(asked=asked, name=name, problem=str(error))
        if isinstance(planned, Searching):
            return _view_of_search(asked, planned, runs)
        if asked.launched:
            standing = self._lab.begun(planned, runs)
        else:
            standing = self._lab.standings(planned, runs)
        return View(
            asked=asked,
            name=name,
            facts=planned.study.facts,
            has_quick=planned.study.has_quick,
            arms=_arms(standing, planned),
            standing=standing,
            tally=tally(standing),
            note=planned.study.left_out(planned.arms),
            forecast=self._lab.forecast(standing, runs, at_once=at_once(self._lab.store, standing)),
            memory=self._lab.memory(standing, runs),
            notes=tuple(advised.text for advised in noted(new_plans(standing), ()).lines),
        )

    def _forms(self, file: search_path.ExperimentFile) -> tuple[str, tuple[Form, ...]]:
        """What is wrong with a study (empty if nothing), and its full and quick form."""
        path = str(file.path)
        try:
            full = self._plan(AskedStudy(study=path))
            planned = full.planned if isinstance(full, Searching) else full
            if not planned.study.has_quick:
                return "", (full,)
            return "", (full, self._plan(AskedStudy(study=path, quick=True)))
        except RevconsoleError as error:
            return str(error), ()

    def _plan(self, asked: AskedStudy) -> Form:
        """The planned study, planned again only if its file has changed. Raises RevconsoleError."""
        key = f"{asked.study} {asked.quick} {sorted(asked.settings.items())!r}"
        try:
            changed = Path(asked.study).stat().st_mtime_ns
        except OSError:
            changed = 0
        before = self._planned.get(key)
        if before is None or before[0] != changed:
            before = self._planned[key] = (changed, self._made(asked))
        if isinstance(before[1], RevconsoleError):
            raise before[1]
        return before[1]

    def _made(self, asked: AskedStudy) -> Form | RevconsoleError:
        try:
            if search_path.find(asked.study, "study").search is not None:
                search = planned_search(
                    asked.study, asked.settings, self._lab.store, quick=asked.quick
                )
                return Searching(self._lab, search)
            return self._lab.study(asked.study, asked.settings, quick=asked.quick)
        except RevconsoleError as error:
            return error


def _share(standing: Iterable[Standing]) -> Share:
    words = [each.progress for each in standing]
    return Share(done=words.count("done"), going=words.count("running"), total=len(words))


def _share_of_search(now: SearchStanding) -> Share:
    going = sum(each.progress == "running" for each in now.standings)
    return Share(done=now.done, going=going, total=now.total)


def _view_of_search(asked: AskedStudy, searching: Searching, runs: Sequence[Summary]) -> View:
    """A search: a row for each trial with what was drawn, then the best with other seeds."""
    now, planned = searching.standing(runs), searching.planned
    at_work = launching.at_work(planned.store, planned.like.search)
    left, seconds = searching.seconds_at_most(at_once=launching.at_once(at_work))
    known = StudyForecast(
        seconds=seconds or 0.0, from_runs=left if seconds else 0, unknown=0 if seconds else left
    )
    return View(
        asked=asked,
        name=planned.study.name,
        facts=planned.study.facts,
        has_quick=planned.study.has_quick,
        arms=tuple(
            ArmStanding(name=name, by_seed=by_seed, accuracy=_spread(by_seed))
            for name, by_seed in now.arms.items()
        ),
        standing=now.standings,
        tally=now.sentence,
        forecast=known if left else NOTHING_LEFT,
        memory=f"of the ends of the space: `revconsole plan {planned.study.name}`",
        search=planned,
        workers="; ".join(map(launching.described, at_work)),
    )


def _arms(standing: Sequence[Standing], planned: PlannedStudy) -> tuple[ArmStanding, ...]:
    """The runs grouped by arm, in the order of the study."""
    groups: dict[str, dict[int, Standing]] = {}
    for each in standing:
        groups.setdefault(_free_name(each, groups), {})[each.plan.seed] = each
    baseline = planned.study.baseline(planned.arms).name
    reference = _accuracies(groups.get(baseline, {}))
    return tuple(
        ArmStanding(
            name=name,
            by_seed=by_seed,
            baseline=name == baseline,
            accuracy=_spread(by_seed),
            gain=None if name == baseline else _gain(_accuracies(by_seed), reference),
            kept_bytes=_mean_kept(by_seed),
        )
        for name, by_seed in groups.items()
    )


def _free_name(each: Standing, groups: Mapping[str, Mapping[int, Standing]]) -> str:
    """The name of a run's arm, with a number if that arm has a run of the same seed already."""
    name, number = each.plan.arm, 1
    candidate = name
    while each.plan.seed in groups.get(candidate, {}):
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _accuracies(by_seed: Mapping[int, Standing]) -> dict[int, float]:
    done = {seed: e.summary for seed, e in by_seed.items() if e.progress == "done"}
    return {seed: s.test_accuracy for seed, s in done.items() if s and s.test_accuracy is not None}


def _spread(by_seed: Mapping[int, Standing]) -> MeanSpread | None:
    """Mean and deviation of the test accuracy over the finished seeds; seeds with identical weights count once."""
    done = [e.summary for e in by_seed.values() if e.progress == "done" and e.summary]
    accuracies = [s.test_accuracy for s in originals(done) if s.test_accuracy is not None]
    return spread(accuracies)


def _gain(values: Mapping[int, float], reference: Mapping[int, float]) -> float | None:
    mean, other = spread(list(values.values())), spread(list(reference.values()))
    if mean is None or other is None or values.keys() != reference.keys():
        return None
    return mean.mean - other.mean


def _mean_kept(by_seed: Mapping[int, Standing]) -> float | None:
    kept = [e.summary.kept_for_backward_bytes for e in by_seed.values() if e.summary]
    mean = spread([float(size) for size in kept if size is not None])
    return None if mean is None else mean.mean
