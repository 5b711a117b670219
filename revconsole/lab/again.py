"""Again: repeat a run, exactly as it was or with changed settings; see `typing_again` for the command line that does."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.sections import KINDS
from revconsole.records.sections.section import UNSET
from revconsole.records.settings import idle
from revconsole.records.settings.own_profile import own_profile
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile
from revconsole.records.settings.study import Study, StudyFacts
from revconsole.records.settings.typing_again import flat_settings

LONGEST_NAME = 120


def experiment(plan: Plan, settings: Mapping[str, Any]) -> Study:
    """An experiment of this run alone, named after it and the changed settings. Raises ProfileError for unknown settings."""
    table, where = own_profile(plan), f"run {plan.name}"
    profile = Profile(name=_named(plan, settings), where=where, table=table)
    (same,) = profile.plans()
    if same.digest() != idle.without_effect(plan).digest():
        raise ProfileError(where, "", "was planned by another version, and cannot be repeated")
    facts = StudyFacts(title=f"{plan.name} once more")
    name = plan.profile or plan.name
    return Study(name=name, where=where, facts=facts, profile=profile, arms=(), quick={})


def _named(plan: Plan, settings: Mapping[str, Any]) -> str:
    """The name of the run followed by the changed settings but for lists, without what it says of their former values."""
    own = flat_settings(plan)
    name, marks = plan.name, []
    for key, value in settings.items():
        full = _full(key, own)
        seeded = key in {"seed", "seeds"}
        before = plan.seed if seeded else own.get(full)
        new = value[0] if seeded and isinstance(value, list) and len(value) == 1 else value
        if _unchanged(before, new):
            continue
        last = full.rpartition(".")[2]
        old = _marks("s" if seeded else last, before)
        if full in {f"{section}.{tag}" for section, (tag, _) in KINDS.items()}:
            kin = {k: v for k, v in own.items() if k.partition(".")[0] == full.partition(".")[0]}
            old |= {_mark(k.rpartition(".")[2], v) for k, v in kin.items()}
        name = _less(name, plan.profile, old)
        if not isinstance(new, list):
            plain = isinstance(new, str) and last in {"name", "architecture"}
            marks.append(_mark("s" if seeded else "" if plain else last, new))
    return "-".join((name, *marks))[:LONGEST_NAME]


def _full(key: str, own: Mapping[str, Any]) -> str:
    """The dotted key of a setting that may be written without its section."""
    owners = [each for each in own if each.rpartition(".")[2] == key]
    return owners[0] if key not in own and len(owners) == 1 else key


def _unchanged(before: Any, new: Any) -> bool:
    unset = before is None and new == UNSET
    return unset or (isinstance(before, bool) == isinstance(new, bool) and bool(before == new))


def _mark(last: str, value: Any) -> str:
    return re.sub(r"[^\w.+-]+", "-", f"{last}{UNSET if value is None else value}")


def _marks(last: str, value: Any) -> set[str]:
    """The marks by which a name may say a value; a grid says words, such as a scheme, alone."""
    return {_mark(last, value)} | ({_mark("", value)} if isinstance(value, str) else set())


def _less(name: str, profile: str, marks: Collection[str]) -> str:
    """The name without these marks behind the name of its profile."""
    kept = profile if profile and name.startswith(profile) else name.partition("-")[0]
    rest = name.removeprefix(kept)
    for mark in marks:
        rest = re.sub(rf"-{re.escape(mark)}(?=-|$)", "", rest)
    return kept + rest
