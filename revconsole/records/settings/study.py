"""Study: one experiment with several arms, each run over the same seeds; one file reproduces a sweep.

Every profile (see `profile`) is a study: its arms are the choices of `[vary]`, the first of them the baseline. It may
have optional tables of its own:

    [study]   title, if different from the profile's; source, expected, time, hardware: facts about the study.
              baseline: the arm that differences refer to, else the first. swept: the key on the horizontal axis.
              ladder: each arm keeps the settings of those above it.
    [[arm]]   name, and the settings of the arm; with `[vary]`, each of its choices once for every arm
    [quick]   settings of the short form
    [reported]  by the name of an arm the test accuracy in percent that others published
    [search]  settings to draw one run after the other, instead of arms; see `search`

    settings of the file  <  those of the arm  <  those of [quick]  <  those of the command line
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from revconsole.errors import ProfileError, nearest
from revconsole.records.sections import KINDS
from revconsole.records.settings import reported as reports
from revconsole.records.settings import search as searches
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import (
    Profile,
    Table,
    apart,
    expanded,
    read_table,
    refuse_unknown,
)
from revconsole.records.settings.search import SearchTable

STUDY_KEYS = frozenset({"study", "arm", "quick", "search", "reported"})
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """The `[study]` table of a study."""

    title: str
    source: str = ""
    expected: str = ""
    time: str = ""
    hardware: str = ""
    baseline: str = ""
    """Name of the arm that differences refer to; empty for the first."""
    swept: str = ""
    """Numeric setting in which the arms differ, e.g. model.dim: the horizontal axis of a figure."""
    ladder: bool = False
    """Whether each arm keeps the settings of those above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """An arm of a study: its runs over all seeds. swept: its value on the horizontal axis, if the study has one."""

    name: str
    plans: tuple[Plan, ...]
    swept: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitChoice:
    """A choice of settings that gives no valid plan, with the error."""

    name: str
    error: ProfileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study as in its file. arms: name and settings of each. quick: settings of the short form."""

    name: str
    where: str
    facts: StudyFacts
    profile: Profile
    arms: tuple[tuple[str, Table], ...]
    quick: Mapping[str, Any]
    tables: frozenset[str] = frozenset()
    """The tables among `[study]`, `[[arm]]`, `[quick]` and `[search]` that the file has."""
    search: SearchTable | None = None
    """The search of a study that draws its runs, which then has no arms."""
    reported: Mapping[str, float] = field(default_factory=dict)
    """Test accuracies in percent that others published, by the name of the arm."""

    @classmethod
    def of_profile(cls, profile: Profile) -> Self:
        """The study that a profile is by itself."""
        return cls(
            name=profile.name,
            where=profile.where,
            facts=StudyFacts(title=profile.title or profile.name),
            profile=profile,
            arms=(),
            quick={},
        )

    @property
    def has_quick(self) -> bool:
        """Whether the study has a short form."""
        return "quick" in self.tables

    def expanded(
        self, settings: Mapping[str, Any] | None = None, *, quick: bool = False
    ) -> tuple[Arm, ...]:
        """Every arm with its runs, in the order written. Raises ProfileError, and for a search, whose runs are not known yet."""
        if self.search is not None:
            raise ProfileError(
                self.where,
                "search",
                f"draws its runs one after the other; `revconsole study run {self.name}` trains them",
            )
        plans = self._by_arm(settings or {}, quick=quick)
        _refuse_twins(plans, self.where)
        self._refuse_names(plans, quick=quick)
        study = bool(self.tables) or sum(map(len, plans.values())) > 1
        return tuple(
            Arm(
                name=arm,
                plans=tuple(
                    self._labelled(plan, arm, quick=quick, study=study) for plan in arm_plans
                ),
                swept=self._swept(arm_plans[0], arm),
            )
            for arm, arm_plans in plans.items()
        )

    def plans(self, settings: Mapping[str, Any] | None = None) -> tuple[Plan, ...]:
        """Every run, arm by arm. Raises ProfileError."""
        return tuple(plan for arm in self.expanded(settings) for plan in arm.plans)

    def models(self, settings: Mapping[str, Any] | None = None) -> tuple[Plan | UnfitChoice, ...]:
        """The distinct plans that can be examined without training, and the choices that give none.

        Raises ProfileError if no choice gives a plan.
        """
        entries = list(self._choices(settings or {}))
        unfit = [entry for entry in entries if isinstance(entry, UnfitChoice)]
        if unfit and len(unfit) == len(entries):
            raise unfit[0].error
        return tuple(
            {
                entry.digest() if isinstance(entry, Plan) else id(entry): entry for entry in entries
            }.values()
        )

    def baseline(self, arms: Sequence[Arm]) -> Arm:
        """The arm that differences refer to: the named one, or the first if the named one is absent."""
        named = [arm for arm in arms if arm.name == self.facts.baseline]
        return (named or list(arms))[0]

    def left_out(self, arms: Sequence[Arm]) -> str:
        """A sentence if the baseline of the file is not among these arms; else empty."""
        baseline = self.facts.baseline
        if not baseline or any(arm.name == baseline for arm in arms):
            return ""
        return f"the baseline {baseline!r} is not among these arms: differences are to {self.baseline(arms).name!r}"

    def _varied(self, settings: Mapping[str, Any], *, quick: bool) -> Iterator[tuple[str, Profile]]:
        """The name and overridden profile of each `[[arm]]`; one nameless profile for a file without arms."""
        if quick and not self.has_quick:
            raise ProfileError(self.where, "quick", "there is no [quick] in it; leave --quick out")
        for name, own in self.arms or (("", {}),):
            profile = self.profile.overridden(own, f"{self.where}: arm {name!r}")
            if quick:
                profile = profile.overridden(self.quick, f"{self.where}: quick")
            yield name, profile.overridden(settings)

    def _by_arm(self, settings: Mapping[str, Any], *, quick: bool) -> dict[str, list[Plan]]:
        plans_of: dict[tuple[str, str], list[Plan]] = {}
        varied = list(self._varied(settings, quick=quick))
        runs_by_profile = expanded([profile for _, profile in varied])
        for (name, _), runs in zip(varied, runs_by_profile, strict=True):
            for choice, plan in runs:
                words = [name, *(word(key, value) for key, value in choice.items())]
                arm = ", ".join(word for word in words if word)
                plans_of.setdefault((arm, repr(choice)), []).append(plan)
        names = distinct([arm for arm, _ in plans_of])
        return dict(zip(names, plans_of.values(), strict=True))

    def _choices(self, settings: Mapping[str, Any]) -> Iterator[Plan | UnfitChoice]:
        """Every choice by itself, so that an invalid one hides no other."""
        varied = list(self._varied(settings, quick=False))
        choices_by_profile = apart([profile for _, profile in varied])
        for (name, _), choices in zip(varied, choices_by_profile, strict=True):
            for choice, outcome in choices:
                if isinstance(outcome, ProfileError):
                    words = [name, *(word(k, v) for k, v in choice.items())]
                    yield UnfitChoice(
                        name=", ".join(w for w in words if w) or self.name, error=outcome
                    )
                else:
                    yield from (plan.model_copy(update=self._named(plan, name)) for plan in outcome)

    def _named(self, plan: Plan, arm: str) -> dict[str, str]:
        """A name for a plan that includes its `[[arm]]`."""
        choice = plan.name.removeprefix(self.profile.name).strip("-")
        parts = [self.name, _slug(arm), choice] if arm else [plan.name]
        return {"name": "-".join(part for part in parts if part)[-120:]}

    def _labelled(self, plan: Plan, arm: str, *, quick: bool, study: bool) -> Plan:
        """The plan with its labels; a file without tables of a study keeps the names of a profile."""
        parts = [self.name, _slug(arm), *(["quick"] if quick else []), f"s{plan.seed}"]
        name = "-".join(part for part in parts if part)[-120:] if self.tables else plan.name
        labels = {"name": name, "profile": self.name, "study": self.name if study else ""}
        return plan.model_copy(update=labels | {"arm": arm, "quick": quick})

    def _swept(self, plan: Plan, arm: str) -> float | None:
        key = self.facts.swept
        if not key:
            return None
        section, _, field = key.partition(".")
        value = getattr(getattr(plan, section, None), field, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ProfileError(
                self.where, "study.swept", f"{key} of arm {arm!r} should be a number, not {value!r}"
            )
        return float(value)

    def _refuse_names(self, arms: Mapping[str, Any], *, quick: bool) -> None:
        """Raise ProfileError if the baseline, or an arm reported of, is none of the file, even without the command line."""
        baseline = self.facts.baseline
        if not {baseline, *self.reported} - {"", *arms}:
            return
        arms_of_file = {**arms, **self._by_arm({}, quick=False), **self._by_arm({}, quick=quick)}
        if baseline and baseline not in arms_of_file:
            raise ProfileError(
                self.where,
                "study.baseline",
                f"there is no arm {baseline!r}{nearest(baseline, arms_of_file)}",
            )
        reports.refuse_unknown_arms(self.reported, arms_of_file, self.where)


def load(path: Path) -> Study:
    """Read a study or profile file. Raises ProfileError."""
    return of_table(read_table(path), name=path.stem, where=str(path))


def of_table(table: Table, *, name: str, where: str) -> Study:
    """The study that a table describes. Raises ProfileError."""
    own = {k: v for k, v in table.items() if k not in STUDY_KEYS}
    profile = Profile(name=name, where=where, table=own)
    facts = _facts(table.get("study", {}), where, title=str(table.get("title") or name))
    arms = _arms(table.get("arm", []), where, ladder=facts.ladder)
    quick = flattened(_table(table.get("quick", {}), where, "quick"))
    if facts.ladder and not arms:
        raise ProfileError(where, "study.ladder", "is of [[arm]] tables, and there are none")
    if facts.ladder and "vary" in table:
        raise ProfileError(
            where,
            "study.ladder",
            "is of [[arm]] tables alone: a choice of [vary] is no step; leave one out",
        )
    refuse_unknown(quick, f"{where}: quick")
    search = searches.of_table(table["search"], where) if "search" in table else None
    if search and (arms or "vary" in table or facts.swept or facts.baseline):
        raise ProfileError(
            where,
            "search",
            "a search has no arms, no [vary], no baseline and no swept key; leave one out",
        )
    if facts.swept:
        refuse_unknown({facts.swept: 0}, f"{where}: study.swept")
    return Study(
        name=name,
        where=where,
        facts=facts,
        profile=profile,
        arms=arms,
        quick=quick,
        tables=frozenset(STUDY_KEYS & table.keys()),
        search=search,
        reported=reports.of_table(table.get("reported", {}), where),
    )


def is_sweep(table: Mapping[str, Any]) -> bool:
    """Whether the table of a file gives more than one run, or has a table of a study."""
    seeds = table.get("seeds")
    return bool(
        STUDY_KEYS & table.keys() or table.get("vary") or (isinstance(seeds, list) and seeds[1:])
    )


def heading(table: Mapping[str, Any]) -> str:
    """The title of a file: that of `[study]`, or else the profile's; empty if it has neither."""
    inner = table.get("study")
    for title in (inner.get("title") if isinstance(inner, Mapping) else None, table.get("title")):
        if isinstance(title, str) and title:
            return title
    return ""


def flattened(table: Mapping[str, Any]) -> Table:
    """Settings by dotted key, independent of their grouping."""
    flat: Table = {}
    for key, value in table.items():
        inner = {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, Mapping) else None
        flat |= {key: value} if inner is None else inner
    return flat


def _facts(table: Any, where: str, *, title: str) -> StudyFacts:
    """The facts in `[study]`. title: of the profile, used if the table has none."""
    known_fields = {field.name: field for field in fields(StudyFacts)}
    for key, value in _table(table, where, "study").items():
        if key not in known_fields:
            raise ProfileError(where, f"study.{key}", f"unknown key{nearest(key, known_fields)}")
        required, noun = (bool, "true or false") if key == "ladder" else (str, "text in quotes")
        if not isinstance(value, required):
            raise ProfileError(where, f"study.{key}", f"should be {noun}, not {value!r}")
    return StudyFacts(**{"title": title} | {k: v for k, v in table.items() if v != ""})


def _arms(tables: Any, where: str, *, ladder: bool) -> tuple[tuple[str, Table], ...]:
    if not isinstance(tables, list):
        raise ProfileError(where, "arm", "is a list of tables: write [[arm]], with two brackets")
    arms: dict[str, Table] = {}
    inherited: Table = {}
    for table in tables:
        settings = dict(_table(table, where, "arm"))
        name = settings.pop("name", None)
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise ProfileError(
                where, "arm.name", f"each arm needs a name of at most {LONGEST_NAME} letters"
            )
        if name in arms:
            raise ProfileError(where, "arm.name", f"two arms are called {name!r}")
        own = flattened(settings)
        inherited = (_inherited(inherited, own) if ladder else {}) | own
        arms[name] = inherited
    return tuple(arms.items())


def _inherited(inherited: Table, own: Table) -> Table:
    """The settings of the arms above, without those of sections that this arm gives another kind."""
    tags = {section: f"{section}.{tag}" for section, (tag, _) in KINDS.items()}
    renewed = {s for s, tag in tags.items() if tag in own and inherited.get(tag) != own[tag]}
    return {key: value for key, value in inherited.items() if key.partition(".")[0] not in renewed}


def _table(value: Any, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProfileError(where, key, f"should be a table, not {value!r}")
    return value


def distinct(names: Sequence[str]) -> list[str]:
    """The names cut to `LONGEST_NAME`, with numbers where cut names coincide."""
    names_so_far: dict[str, None] = {}
    for name in names:
        number, short = 1, name[:LONGEST_NAME]
        while short in names_so_far:
            number += 1
            tail = f" ({number})"
            short = name[: LONGEST_NAME - len(tail)] + tail
        names_so_far[short] = None
    return list(names_so_far)


def _refuse_twins(arms: Mapping[str, list[Plan]], where: str) -> None:
    """Raise ProfileError if two arms would be the same runs, for example after an override that equalises them."""
    arm_of: dict[str, str] = {}
    for arm, plans in arms.items():
        if len(plans) > len({plan.seed for plan in plans}):
            raise ProfileError(
                where, "vary", f"two choices are called {arm!r}; name them with [[arm]]"
            )
        for plan in plans:
            twin = arm_of.setdefault(plan.digest(), arm)
            if twin != arm:
                raise ProfileError(
                    where,
                    "arm",
                    f"{twin!r} and {arm!r} would be the same runs: nothing that decides a result differs; leave one out",
                )


def word(key: str, value: Any) -> str:
    """A choice of `[vary]` in words: `dim 16`, `bdia gamma 0.5`."""
    last = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        tag = KINDS.get(key, ("",))[0]
        rest = [f"{k} {v}" for k, v in value.items() if k != tag]
        return " ".join([str(value.get(tag, "")), *rest]).strip()
    return str(value) if isinstance(value, str) else f"{last} {value}"


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name).strip("-")
