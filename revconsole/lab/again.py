"""Again: a run that is to be trained once more, exactly as it was or with changes.

Its plan says everything; the profile it was made from may have been edited since, or be gone, and may be a grid.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.compare import flat_settings
from revconsole.lab.study import own_profile
from revconsole.records.sections import KINDS
from revconsole.records.settings import idle, layer, search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, Profile
from revconsole.records.settings.study import Study, StudyFacts

LONGEST_NAME = 120
MOST_TRIED = 8
"""Runs of a form for which it is tried what need not be typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSetting:
    """A setting of a run that its profile has otherwise, as both would be written."""

    key: str
    here: Any
    there: Any


def experiment(plan: Plan, settings: Mapping[str, Any]) -> Study:
    """The experiment of this run alone, called after it and what is to be changed.

    Raises ProfileError if this version has no such settings.
    """
    table, where = own_profile(plan), f"run {plan.name}"
    profile = Profile(name=_named(plan, settings), where=where, table=table)
    (same,) = profile.plans()
    if same.digest() != idle.without_effect(plan).digest():
        raise ProfileError(where, "", "was planned by another version, and cannot be repeated")
    facts = StudyFacts(title=f"{plan.name} once more")
    name = plan.profile or plan.name
    return Study(name=name, where=where, facts=facts, profile=profile, arms=(), quick={})


def differences(plan: Plan) -> tuple[ChangedSetting, ...] | None:
    """In what a run differs from the nearest run of its profile; None if there is no such profile any more.

    Raises ProfileError if the profile makes no runs as it is now.
    """
    try:
        found = search_path.find(plan.profile)
    except RevconsoleError:
        return None
    return _nearest(plan, found.plans())


def _nearest(plan: Plan, others: Sequence[Plan]) -> tuple[ChangedSetting, ...]:
    here = _settings(plan)
    found: list[list[ChangedSetting]] = []
    for other in others:
        there = _settings(other)
        keys = [key for key in {**here, **there} if here.get(key) != there.get(key)]
        found.append([ChangedSetting(key=k, here=here.get(k), there=there.get(k)) for k in keys])
    nearest = min(found, key=len)
    return tuple(nearest)


def typed(
    profile: str, plans: Sequence[Plan], settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What, typed behind a profile, makes these plans; as little as does. None if nothing one can type does.

    settings: what was changed by hand. The lists among them make several runs of the first.
    """
    lists = dict(layer.typed(settings, COMMAND_LINE).varied)
    lists |= {key: settings[key] for key in ("seeds",) if key in settings}
    try:
        found = search_path.find(profile)
        own = {key: v for key, v in _own(found, plans[0]).items() if not _listed(key, lists)}
        wanted = own | lists
        if not _makes(found, wanted, plans):
            return None
        for key in own if len(plans) <= MOST_TRIED else ():
            fewer = {k: v for k, v in wanted.items() if k != key}
            wanted = fewer if _makes(found, fewer, plans) else wanted
    except RevconsoleError:
        return None
    return wanted


def _own(profile: Study, plan: Plan) -> dict[str, Any]:
    """Every setting of a plan that its profile varies or has otherwise."""
    here, every = _settings(plan), profile.plans()
    others = [_settings(each) for each in every]
    varied = [key for key in here if len({repr(other.get(key)) for other in others}) > 1]
    unlike = [difference.key for difference in _nearest(plan, every)]
    own = {key: here[key] for key in dict.fromkeys((*varied, *unlike)) if key in here}
    return own | ({"seeds": [own.pop("seed")]} if "seed" in own else {})


def _listed(key: str, lists: Mapping[str, Any]) -> bool:
    """Whether a list is made of a key, or of the kinds of its section."""
    section = key.partition(".")[0]
    return key in lists or (section in KINDS and f"{section}.{KINDS[section][0]}" in lists)


def _makes(profile: Study, settings: Mapping[str, Any], plans: Sequence[Plan]) -> bool:
    try:
        made = profile.plans(settings)
    except RevconsoleError:
        return False
    return [(each.digest(), each.where) for each in made] == [
        (each.digest(), each.where) for each in plans
    ]


def _settings(plan: Plan) -> dict[str, Any]:
    return {**flat_settings(plan), "seed": plan.seed}


def _named(plan: Plan, settings: Mapping[str, Any]) -> str:
    """The name of the run, and what was changed."""
    marks = [
        re.sub(r"[^\w.+-]+", "-", f"{key.rpartition('.')[2]}{value}")
        for key, value in settings.items()
        if not isinstance(value, list)
    ]
    return "-".join((plan.name, *marks))[:LONGEST_NAME]
