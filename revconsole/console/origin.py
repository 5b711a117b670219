"""Origin: what the launch form's values come from, a profile or a run with exactly its settings. No widgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import again, saved_profile
from revconsole.lab.format import UNKNOWN, percent
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.lab.search import designed
from revconsole.records.logs.events import Advised
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.settings import search_path
from revconsole.records.settings.drawn import PREFIX
from revconsole.records.settings.typing_again import command_line, differences, typed, unlike

RUN = "@"
"""What the value of a run begins with in the menu of origins, before its id; no profile can have such a name."""
MOST_NAMED = 8
"""Most differences from the profile that are listed."""
MOST_RUNS = 200
"""Newest runs that are offered to start from."""
MOST_COMPARED = 8
"""Runs of a form that another one is compared with."""
Option = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The runs that a form would launch, the equivalent command, and a sentence about the origin."""

    planned: Planned
    command: str
    """The equivalent shell command; empty if there is none."""
    said: str = ""
    notes: tuple[Advised, ...] = ()
    """What is odd of the runs."""
    toml: str = ""
    """The profile that saving would write; empty where nobody asked for it, and where there is none."""
    no_toml: str = ""
    """Why there is none."""
    search: PlannedSearch | None = None
    """The search, if the form makes one; the runs are then those at the ends of its space."""

    def with_runs(self, fit: Planned, left_out: str) -> "Judged":
        """A copy with only the runs that can be trained. left_out: a sentence on the others."""
        sentences = "; ".join(part for part in (one_line(left_out, 600), self.said) if part)
        return replace(self, planned=fit, said=sentences)


class Origins:
    """The profiles and runs that a form may start from.

    begins: the run, or the path of the search, that the form was opened on. runs: of the store, newest first.
    """

    def __init__(self, begins: Summary | str | None, runs: Sequence[Summary]) -> None:
        self._entries = search_path.profiles()
        newest = sorted(runs, key=lambda each: each.created, reverse=True)
        self._runs = {RUN + each.id: each for each in newest[:MOST_RUNS] if each.plan_known}
        self._begun = (begins,) if isinstance(begins, Summary) else ()
        self._searches = (
            ((f"search {Path(begins).stem}", begins),) if isinstance(begins, str) else ()
        )
        self._runs |= {RUN + each.id: each for each in self._begun}

    @property
    def first(self) -> str:
        """What the form starts from; empty if there is neither a profile nor a run."""
        names = [entry.name for entry in self._entries]
        begun = [*(RUN + run.id for run in self._begun), *(path for _, path in self._searches)]
        return next((name for name in (*begun, "demo", *names) if name in {*begun, *names}), "")

    def run(self, value: str) -> Summary | None:
        """The run of a value; None for a profile."""
        return self._runs.get(value)

    def options(self, value: str) -> tuple[Option, ...]:
        """The choices of the row: the run that the values come from and those begun with, then the profiles."""
        own = (self._runs[value],) if value in self._runs else ()
        runs = dict.fromkeys(run.id for run in (*own, *self._begun))
        called = [(f"as run {self._runs[RUN + each].name}", RUN + each) for each in runs]
        return (*called, *self._searches, *((entry.name, entry.name) for entry in self._entries))

    def every(self) -> tuple[Option, ...]:
        """Every origin: the last run, the other runs, the profiles."""
        words = ("last run", *("run" for _ in self._runs))
        runs = zip(
            words, sorted(self._runs.items(), key=lambda each: -each[1].created), strict=False
        )
        return (
            *self._searches,
            *((f"{word} {run.name}", value) for word, (value, run) in runs),
            *((entry.name, entry.name) for entry in self._entries),
        )

    def remark(self, value: str, planned: Planned | None) -> str:
        """What an origin is: the title of a profile; of a run its state, and in what it differs from the runs of the form."""
        run = self._runs.get(value)
        if run is None:
            return one_line(next((e.title for e in self._entries if e.name == value), ""), 120)
        state = run.state if run.test_accuracy is None else f"test {percent(run.test_accuracy)}"
        return f"{state} · {_unlike(run, planned)}" if planned is not None else state


def _unlike(run: Summary, planned: Planned) -> str:
    changed = unlike(run.plan, planned.plans[:MOST_COMPARED])
    if not changed:
        return "the settings of this form"
    words = [f"{key.rpartition('.')[2]} {_word(here)}" for key, (here, _) in changed.items()]
    return one_line(", ".join(words), 200)


def written(judged: Judged) -> Judged:
    """The same with the profile that saving would write."""
    search = judged.search
    try:
        toml = designed.text(search) if search else saved_profile.text(judged.planned)
        return replace(judged, toml=toml)
    except RevconsoleError as error:
        return replace(judged, no_toml=getattr(error, "reason", str(error)))


def judge(lab: Lab, profile: str, run: Summary | None, settings: Mapping[str, Any]) -> Judged:
    """Plan a profile with settings, or a run if one is given; or the search that they ask for. Raises RevconsoleError."""
    base = search_path.find(profile) if run is None else again.experiment(run.plan, {})
    if designed.asks(base, settings):
        search = designed.designed(base, settings, lab.store)
        planned = Planned(study=search.study, settings={}, plans=search.kinds)
        notes = lab.noted(planned.plans).lines
        return Judged(planned=planned, command="", notes=notes, search=search)
    settings = {key: value for key, value in settings.items() if not key.startswith(PREFIX)}
    if run is None:
        planned = lab.plan(profile, settings)
        notes = lab.noted(planned.plans).lines
        return Judged(planned=planned, command=command_line(profile, settings), notes=notes)
    planned = lab.again(run.plan, settings)
    words = typed(run.plan.profile, planned.plans, settings)
    command = "" if words is None else command_line(run.plan.profile, words)
    notes = lab.noted(planned.plans).lines
    return Judged(planned=planned, command=command, said=_said(run), notes=notes)


def _said(run: Summary) -> str:
    """A sentence on the settings in which a run differs from its profile."""
    what, profile = f"settings of run {run.name} ({run.id})", run.plan.profile
    if not profile:
        return one_line(what, 300)
    try:
        changed = differences(run.plan)
    except RevconsoleError as error:
        return one_line(f"{what}; its profile {profile!r} is not valid any more: {error}", 600)
    if changed is None:
        return one_line(f"{what}; its profile {profile!r} does not exist any more", 300)
    if not changed:
        return one_line(f"{what}, the same as in profile {profile}", 300)
    named = list(changed.items())[:MOST_NAMED]
    words = [f"{key} {_word(here)} (there {_word(there)})" for key, (here, there) in named]
    more = [f"{len(changed) - MOST_NAMED} more"] if len(changed) > MOST_NAMED else []
    return one_line(f"{what}, unlike profile {profile} in {', '.join([*words, *more])}", 600)


def _word(value: object) -> str:
    return UNKNOWN if value is None else f"{value:g}" if isinstance(value, float) else str(value)
