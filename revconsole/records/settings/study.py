"""Study: one experiment in several arms, each over the same seeds; the file that a sweep is repeated from.

Every profile (see `profile`) is one: its arms are the choices of `[vary]`, the first of them the baseline. It may say
more in tables of its own, of which none is needed:

    [study]   title, if it is to be another than the profile's; source, expected, time, hardware: the facts about it.
              baseline: the arm that differences are to, else the first. swept: the key on the horizontal axis.
              ladder: each arm keeps what those above it set.
    [[arm]]   name, and the settings that make it, instead of `[vary]`
    [quick]   settings of the short form

    settings of the file  <  those of the arm  <  those of [quick]  <  those of the command line
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from revconsole.errors import ProfileError, nearest
from revconsole.records.sections import KINDS
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import (
    Profile,
    Table,
    apart,
    expanded,
    read_table,
    refuse_unknown,
)

STUDY_KEYS = frozenset({"study", "arm", "quick"})
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What a study says about itself."""

    title: str
    source: str = ""
    expected: str = ""
    time: str = ""
    hardware: str = ""
    baseline: str = ""
    """The arm that differences are taken to; the first if empty."""
    swept: str = ""
    """The key that arms differ in by a number, e.g. model.dim: the horizontal axis of a figure."""
    ladder: bool = False
    """Whether each arm keeps the settings of those above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What is run over every seed. swept: where it stands on the horizontal axis, if the study has one."""

    name: str
    plans: tuple[Plan, ...]
    swept: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitChoice:
    """A choice of settings that makes no run, and why."""

    name: str
    error: ProfileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """An experiment as in its file. `arms`: name and settings of each, `quick`: settings of the short form."""

    name: str
    where: str
    facts: StudyFacts
    profile: Profile
    arms: tuple[tuple[str, Table], ...]
    quick: Mapping[str, Any]
    tables: frozenset[str] = frozenset()
    """Which of `[study]`, `[[arm]]` and `[quick]` its file has."""

    @classmethod
    def of_profile(cls, profile: Profile) -> Self:
        """The experiment that a profile is by itself."""
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
        """Whether there is a short form."""
        return "quick" in self.tables

    def expanded(
        self, settings: Mapping[str, Any] | None = None, *, quick: bool = False
    ) -> tuple[Arm, ...]:
        """Every arm with its runs, in the order written. Raises ProfileError."""
        plans = self._by_arm(settings or {}, quick=quick)
        _refuse_twins(plans, self.where)
        self._refuse_baseline(plans, quick=quick)
        study = bool(self.tables) or sum(map(len, plans.values())) > 1
        return tuple(
            Arm(
                name=arm,
                plans=tuple(self._labelled(plan, arm, quick=quick, study=study) for plan in made),
                swept=self._swept(made[0], arm),
            )
            for arm, made in plans.items()
        )

    def plans(self, settings: Mapping[str, Any] | None = None) -> tuple[Plan, ...]:
        """Every run, arm by arm. Raises ProfileError."""
        return tuple(plan for arm in self.expanded(settings) for plan in arm.plans)

    def models(self, settings: Mapping[str, Any] | None = None) -> tuple[Plan | UnfitChoice, ...]:
        """What can be looked at without training: runs that are alike once, and beside them what cannot be planned.

        Raises ProfileError where that is so of every choice.
        """
        found = list(self._each(settings or {}))
        unfit = [each for each in found if isinstance(each, UnfitChoice)]
        if unfit and len(unfit) == len(found):
            raise unfit[0].error
        return tuple(
            {each.digest() if isinstance(each, Plan) else id(each): each for each in found}.values()
        )

    def baseline(self, arms: Sequence[Arm]) -> Arm:
        """The arm that differences are taken to: the one named, or the first where settings leave that one out."""
        named = [arm for arm in arms if arm.name == self.facts.baseline]
        return (named or list(arms))[0]

    def left_out(self, arms: Sequence[Arm]) -> str:
        """That the baseline of the file is not among these arms, in a sentence; empty if it is."""
        wanted = self.facts.baseline
        if not wanted or any(arm.name == wanted for arm in arms):
            return ""
        return f"the baseline {wanted!r} is not among these arms: differences are to {self.baseline(arms).name!r}"

    def _varied(self, settings: Mapping[str, Any], *, quick: bool) -> Iterator[tuple[str, Profile]]:
        """The profile of each `[[arm]]` with what comes after it, or the one of a file without arms."""
        if quick and not self.has_quick:
            raise ProfileError(self.where, "quick", "there is no [quick] in it; leave --quick out")
        for name, own in self.arms or (("", {}),):
            profile = self.profile.overridden(own, f"{self.where}: arm {name!r}")
            if quick:
                profile = profile.overridden(self.quick, f"{self.where}: quick")
            yield name, profile.overridden(settings)

    def _by_arm(self, settings: Mapping[str, Any], *, quick: bool) -> dict[str, list[Plan]]:
        made: dict[tuple[str, str], list[Plan]] = {}
        varied = list(self._varied(settings, quick=quick))
        found = expanded([profile for _, profile in varied])
        for (name, _), runs in zip(varied, found, strict=True):
            for choice, plan in runs:
                words = [name, *(word(key, value) for key, value in choice.items())]
                called = ", ".join(word for word in words if word)
                made.setdefault((called, repr(choice)), []).append(plan)
        names = _distinct([called for called, _ in made])
        return dict(zip(names, made.values(), strict=True))

    def _each(self, settings: Mapping[str, Any]) -> Iterator[Plan | UnfitChoice]:
        """Every choice by itself, so that one which makes no run hides no other."""
        varied = list(self._varied(settings, quick=False))
        found = apart([profile for _, profile in varied])
        for (name, _), choices in zip(varied, found, strict=True):
            for choice, made in choices:
                if isinstance(made, ProfileError):
                    words = [name, *(word(k, v) for k, v in choice.items())]
                    yield UnfitChoice(
                        name=", ".join(w for w in words if w) or self.name, error=made
                    )
                else:
                    yield from (each.model_copy(update=self._called(each, name)) for each in made)

    def _called(self, plan: Plan, arm: str) -> dict[str, str]:
        """The name of a plan of an `[[arm]]`, by which it is told from those of the others."""
        choice = plan.name.removeprefix(self.profile.name).strip("-")
        parts = [self.name, _slug(arm), choice] if arm else [plan.name]
        return {"name": "-".join(part for part in parts if part)[-120:]}

    def _labelled(self, plan: Plan, arm: str, *, quick: bool, study: bool) -> Plan:
        """The plan under its names; a file with no table of a study leaves its runs the names of a profile."""
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
                self.where, "study.swept", f"{key} of arm {arm!r} is no number but {value!r}"
            )
        return float(value)

    def _refuse_baseline(self, arms: Mapping[str, Any], *, quick: bool) -> None:
        """A baseline that the file has is right even where the command line leaves it out."""
        wanted = self.facts.baseline
        if not wanted or wanted in arms:
            return
        known = dict(self.arms) or self._by_arm({}, quick=quick)
        if wanted not in known:
            raise ProfileError(
                self.where, "study.baseline", f"there is no arm {wanted!r}{nearest(wanted, known)}"
            )


def load(path: Path) -> Study:
    """Read the file of an experiment: any profile. Raises ProfileError."""
    return of_table(read_table(path), name=path.stem, where=str(path))


def of_table(table: Table, *, name: str, where: str) -> Study:
    """The experiment that a table describes. Raises ProfileError."""
    own = {k: v for k, v in table.items() if k not in STUDY_KEYS}
    profile = Profile(name=name, where=where, table=own)
    facts = _facts(table.get("study", {}), where, title=str(table.get("title") or name))
    arms = _arms(table.get("arm", []), where, ladder=facts.ladder)
    quick = flattened(_table(table.get("quick", {}), where, "quick"))
    if arms and "vary" in table:
        raise ProfileError(where, "arm", "a study has arms or [vary], not both")
    if facts.ladder and not arms:
        raise ProfileError(where, "study.ladder", "is of [[arm]] tables, and there are none")
    refuse_unknown(quick, f"{where}: quick")
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
    )


def is_sweep(table: Mapping[str, Any]) -> bool:
    """Whether the table of a file makes more than one run, or says of itself that it is a study."""
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
    """Settings by dotted key, however they were grouped."""
    flat: Table = {}
    for key, value in table.items():
        inner = {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, Mapping) else None
        flat |= {key: value} if inner is None else inner
    return flat


def _facts(table: Any, where: str, *, title: str) -> StudyFacts:
    """What `[study]` says; title: of the profile, which counts where the table has none."""
    known = {field.name: field for field in fields(StudyFacts)}
    for key, value in _table(table, where, "study").items():
        if key not in known:
            raise ProfileError(where, f"study.{key}", f"unknown key{nearest(key, known)}")
        wanted, noun = (bool, "true or false") if key == "ladder" else (str, "text in quotes")
        if not isinstance(value, wanted):
            raise ProfileError(where, f"study.{key}", f"should be {noun}, not {value!r}")
    return StudyFacts(**{"title": title} | {k: v for k, v in table.items() if v != ""})


def _arms(tables: Any, where: str, *, ladder: bool) -> tuple[tuple[str, Table], ...]:
    if not isinstance(tables, list):
        raise ProfileError(where, "arm", "is a list of tables: write [[arm]], with two brackets")
    arms: dict[str, Table] = {}
    kept: Table = {}
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
        kept = (_outlasting(kept, own) if ladder else {}) | own
        arms[name] = kept
    return tuple(arms.items())


def _outlasting(kept: Table, own: Table) -> Table:
    """What the rungs below said, without the settings of sections that this one gives another kind."""
    tags = {section: f"{section}.{tag}" for section, (tag, _) in KINDS.items()}
    renewed = {s for s, tag in tags.items() if tag in own and kept.get(tag) != own[tag]}
    return {key: value for key, value in kept.items() if key.partition(".")[0] not in renewed}


def _table(value: Any, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProfileError(where, key, f"should be a table, not {value!r}")
    return value


def _distinct(names: Sequence[str]) -> list[str]:
    """The names no longer than a name may be, those that are cut to the same with a number."""
    made: dict[str, None] = {}
    for name in names:
        number, short = 1, name[:LONGEST_NAME]
        while short in made:
            number += 1
            tail = f" ({number})"
            short = name[: LONGEST_NAME - len(tail)] + tail
        made[short] = None
    return list(made)


def _refuse_twins(arms: Mapping[str, list[Plan]], where: str) -> None:
    """Raise ProfileError where two arms would be the same runs, as after a setting that levels them."""
    seen: dict[str, str] = {}
    for arm, plans in arms.items():
        if len(plans) > len({plan.seed for plan in plans}):
            raise ProfileError(
                where, "vary", f"two choices are called {arm!r}; name them with [[arm]]"
            )
        for plan in plans:
            twin = seen.setdefault(plan.digest(), arm)
            if twin != arm:
                raise ProfileError(
                    where,
                    "arm",
                    f"{twin!r} and {arm!r} would be the same runs: nothing that decides a result differs; leave one out",
                )


def word(key: str, value: Any) -> str:
    """One choice of `[vary]` as people say it: `dim 16`, `bdia gamma 0.5`."""
    last = key.rpartition(".")[2]
    if isinstance(value, Mapping):
        tag = KINDS.get(key, ("",))[0]
        rest = [f"{k} {v}" for k, v in value.items() if k != tag]
        return " ".join([str(value.get(tag, "")), *rest]).strip()
    return str(value) if isinstance(value, str) else f"{last} {value}"


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name).strip("-")
