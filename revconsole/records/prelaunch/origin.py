"""Origin: the profile that a run comes from, as it is before anything is typed over it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.records.settings import search_path, study
from revconsole.records.settings.plan import NOT_OF_THE_PAST, WHERE, Plan
from revconsole.records.settings.typing_again import Unlike, differing, flat_settings

HEADER = re.compile(r"^# (Source|Expected): (.+)$", re.MULTILINE)
PUBLISHED = re.compile(r"\bpublished\b", re.IGNORECASE)
CLAUSE = re.compile(r"(?:\([^)]*\)|[^(),;:])+")
"""The first clause of a sentence, with what stands in brackets."""
LENGTH = {"epochs", "steps"}
UNSAID = {
    f"{section}.{name}"
    for table in (WHERE, NOT_OF_THE_PAST)
    for section, names in table.items()
    for name in names - LENGTH
} | {"data.validation", "data.split_seed", "train.accumulate", "lengthened"}
"""Settings that may differ from the profile without another result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestRun:
    """The run of a profile that is nearest to a plan.

    unlike: settings that decide the result, with the value of the plan and that in the profile. published: who
    published a figure for this profile; empty if nobody did, or if it is not one of those shipped.
    """

    profile: str
    plan: Plan
    unlike: Unlike
    published: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProfileRuns:
    plans: tuple[Plan, ...]
    settings: tuple[Mapping[str, Any], ...]
    published: str


def origin_of(plan: Plan) -> NearestRun | None:
    """The nearest run of the profile that a plan was made from; None if there is no such profile, or of a short form."""
    if not plan.profile or plan.quick:
        return None
    try:
        path = search_path.path_of(plan.profile)
        changed = path.stat()
        runs = _runs(path, changed.st_mtime_ns, changed.st_size)
    except (RevconsoleError, OSError):
        return None
    here = _deciding(plan)
    differences = [differing(here, there) for there in runs.settings]
    number = min(range(len(differences)), key=lambda n: len(differences[n]), default=None)
    if number is None:
        return None
    return NearestRun(
        profile=plan.profile,
        plan=runs.plans[number],
        unlike=differences[number],
        published=runs.published,
    )


@lru_cache(maxsize=64)
def _runs(path: Path, _changed: int, _size: int) -> _ProfileRuns:
    """The runs of a file, per state of the file: a form asks with every key."""
    profile = study.load(path)
    plans = profile.plans()
    return _ProfileRuns(
        plans=plans,
        settings=tuple(map(_deciding, plans)),
        published=_published(path, profile.facts.source, profile.facts.expected),
    )


def _published(path: Path, source: str, expected: str) -> str:
    if not path.is_relative_to(search_path.shipped()):
        return ""
    header = dict(HEADER.findall(path.read_text(encoding="utf-8")))
    source, expected = source or header.get("Source", ""), expected or header.get("Expected", "")
    first = CLAUSE.match(source)
    return first.group().strip() if first and PUBLISHED.search(expected) else ""


def _deciding(plan: Plan) -> dict[str, Any]:
    """Settings that decide the result, by key."""
    return {key: value for key, value in flat_settings(plan).items() if key not in UNSAID}
