"""Typing again: the settings and the command line that repeat a run.

The profile of a run may have been edited or deleted since, or may make a grid of runs.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.records.sections import KINDS
from revconsole.records.settings import layer, search_path
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import LABELS, Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.study import Study, flattened
from revconsole.records.settings.words import assignment

NOT_SETTINGS = LABELS | {"seed"}
Unlike = Mapping[str, tuple[Any, Any]]
"""Settings by key, with the value here and the value there."""
MOST_TRIED = 8
"""Largest number of runs for which `typed` removes superfluous settings, as each removal plans all runs again."""


def command_line(
    name: str, settings: Mapping[str, Any], verb: str = "train", *, quick: bool = False
) -> str:
    """The command line of a verb with a profile or study and settings."""
    assignments = [assignment(key, value) for key, value in settings.items()]
    form = ["--quick"] if quick else []
    return shlex.join(["revconsole", *verb.split(), name, *assignments, *form])


def flat_settings(plan: Plan) -> dict[str, Any]:
    """Every setting of a run by its dotted key, as it would be written on the command line; of a given plan, what was given."""
    if isinstance(plan, GivenPlan):
        return dict(plan.given)
    return flattened(plan.model_dump(exclude=set(NOT_SETTINGS)))


def differences(plan: Plan) -> Unlike | None:
    """The settings in which a run differs from the most similar run of its profile; None if the profile does not exist any more.

    Raises ProfileError if the profile is not valid any more.
    """
    try:
        profile = search_path.find(plan.profile)
    except RevconsoleError:
        return None
    return unlike(plan, profile.plans())


def unlike(plan: Plan, others: Sequence[Plan]) -> Unlike:
    """The settings in which a run differs from the most similar of others."""
    return min((differing(_settings(plan), _settings(other)) for other in others), key=len)


def differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> Unlike:
    """The settings that differ, with both values; None stands for a setting that one side does not have."""
    return {
        key: (here.get(key), there.get(key))
        for key in {**here, **there}
        if here.get(key) != there.get(key)
    }


def typed(
    profile: str, plans: Sequence[Plan], settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The fewest settings that make these plans of a profile; None if no settings do.

    settings: the edited settings. Lists among them make several runs.
    """
    lists = dict(layer.typed(settings, COMMAND_LINE).varied)
    lists |= {key: settings[key] for key in ("seeds",) if key in settings}
    try:
        study = search_path.find(profile)
        own = {key: v for key, v in _own(study, plans[0]).items() if not _listed(key, lists)}
        wanted = own | lists
        if not _makes(study, wanted, plans):
            return None
        for key in own if len(plans) <= MOST_TRIED else ():
            fewer = {k: v for k, v in wanted.items() if k != key}
            wanted = fewer if _makes(study, fewer, plans) else wanted
    except RevconsoleError:
        return None
    return wanted


def _own(profile: Study, plan: Plan) -> dict[str, Any]:
    """The settings of a plan that its profile varies or sets differently."""
    here, every = _settings(plan), profile.plans()
    others = [_settings(each) for each in every]
    varied = [key for key in here if len({repr(other.get(key)) for other in others}) > 1]
    own = {key: here[key] for key in dict.fromkeys((*varied, *unlike(plan, every))) if key in here}
    return own | ({"seeds": [own.pop("seed")]} if "seed" in own else {})


def _listed(key: str, lists: Mapping[str, Any]) -> bool:
    """Whether a key, or the kind of its section, has a list of values."""
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
