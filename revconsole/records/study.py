"""Study: one experiment in several arms, each over the same seeds; the file that a sweep is repeated from.

A study is a profile (see `profile`) with tables of its own:

    [study]   title, source, expected, time, hardware: the facts about it. baseline: the arm that differences are to,
              else the first. swept: the key on the horizontal axis. ladder: each arm keeps what those above it set.
    [[arm]]   name, and the settings that make it; or no arms and `[vary]`, of which each choice is an arm
    [quick]   settings of the short form

    settings of the file  <  those of the arm  <  those of [quick]  <  those of the command line
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from revconsole.errors import ProfileError, nearest
from revconsole.records.plan import Plan
from revconsole.records.profile import (
    OWN_KEYS,
    Profile,
    Table,
    read_table,
    reject_unknown_sections,
)
from revconsole.records.sections import KINDS

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
class Study:
    """A study as in its file. `arms`: name and settings of each, `quick`: settings of the short form."""

    name: str
    where: str
    facts: StudyFacts
    profile: Profile
    arms: tuple[tuple[str, Table], ...]
    quick: Mapping[str, Any]

    def expanded(
        self, settings: Mapping[str, Any] | None = None, *, quick: bool = False
    ) -> tuple[Arm, ...]:
        """Every arm with its runs, in the order written. Raises ProfileError."""
        plans: dict[str, list[Plan]] = {}
        for name, own in self.arms or (("", {}),):
            profile = self.profile.overridden(own, f"{self.where}: arm {name!r}")
            if quick:
                profile = profile.overridden(self.quick, f"{self.where}: quick")
            for choice, plan in profile.overridden(settings or {}).expanded():
                words = [name, *(word(key, value) for key, value in choice.items())]
                arm = ", ".join(word for word in words if word)[:LONGEST_NAME]
                plans.setdefault(arm, []).append(self._labelled(plan, arm, quick=quick))
        _refuse_twins(plans, self.where)
        self._refuse_baseline(plans)
        return tuple(
            Arm(name=arm, plans=tuple(made), swept=self._swept(made[0]))
            for arm, made in plans.items()
        )

    def baseline(self, arms: tuple[Arm, ...]) -> Arm:
        """The arm that differences are taken to."""
        named = [arm for arm in arms if arm.name == self.facts.baseline]
        return (named or list(arms))[0]

    def _labelled(self, plan: Plan, arm: str, *, quick: bool) -> Plan:
        parts = [self.name, _slug(arm), *(["quick"] if quick else []), f"s{plan.seed}"]
        labels = {"name": "-".join(part for part in parts if part)[-120:], "profile": self.name}
        return plan.model_copy(update=labels | {"study": self.name, "arm": arm, "quick": quick})

    def _swept(self, plan: Plan) -> float | None:
        key = self.facts.swept
        if not key:
            return None
        section, _, field = key.partition(".")
        value = getattr(getattr(plan, section, None), field, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ProfileError(
                self.where, "study.swept", f"{key} of arm {plan.arm!r} is no number but {value!r}"
            )
        return float(value)

    def _refuse_baseline(self, arms: Mapping[str, Any]) -> None:
        """A baseline that the file has is right even where the command line leaves it out."""
        wanted = self.facts.baseline
        if wanted and self.arms and wanted not in dict(self.arms):
            raise ProfileError(
                self.where, "study.baseline", f"there is no arm {wanted!r}{nearest(wanted, arms)}"
            )


def load(path: Path) -> Study:
    """Read the file of a study. Raises ProfileError."""
    table, where = read_table(path), str(path)
    if "study" not in table:
        raise ProfileError(where, "study", "is missing: a study says at least [study] title")
    profile = {k: v for k, v in table.items() if k not in STUDY_KEYS}
    reject_unknown_sections({k: v for k, v in profile.items() if k not in OWN_KEYS}, where)
    facts = _facts(table["study"], where)
    arms = _arms(table.get("arm", []), where, ladder=facts.ladder)
    if arms and "vary" in table:
        raise ProfileError(where, "arm", "a study has arms or [vary], not both")
    return Study(
        name=path.stem,
        where=where,
        facts=facts,
        profile=Profile(name=path.stem, where=where, table=profile),
        arms=arms,
        quick=flattened(_table(table.get("quick", {}), where, "quick")),
    )


def flattened(table: Mapping[str, Any]) -> Table:
    """Settings by dotted key, however they were grouped."""
    flat: Table = {}
    for key, value in table.items():
        inner = {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, Mapping) else None
        flat |= {key: value} if inner is None else inner
    return flat


def _facts(table: Any, where: str) -> StudyFacts:
    known = {field.name: field for field in fields(StudyFacts)}
    for key, value in _table(table, where, "study").items():
        if key not in known:
            raise ProfileError(where, f"study.{key}", f"unknown key{nearest(key, known)}")
        wanted, noun = (bool, "true or false") if key == "ladder" else (str, "text in quotes")
        if not isinstance(value, wanted):
            raise ProfileError(where, f"study.{key}", f"should be {noun}, not {value!r}")
    if not table.get("title"):
        raise ProfileError(where, "study.title", "is missing: one line on what the study asks")
    return StudyFacts(**table)


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
        kept = (kept if ladder else {}) | flattened(settings)
        arms[name] = kept
    return tuple(arms.items())


def _table(value: Any, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProfileError(where, key, f"should be a table, not {value!r}")
    return value


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
                    where, "arm", f"{twin!r} and {arm!r} would be the same runs: nothing differs"
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
