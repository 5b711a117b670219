"""Given settings: what another program says of its run, of any depth, as a flat table of values of JSON.

Without pydantic, because it is imported into the programs of others.
"""

import math
from collections.abc import Mapping
from typing import Any

GivenValue = str | int | float | bool | None
"""What a given setting may be."""
MOST_GIVEN, LONGEST_KEY, LONGEST_VALUE = 1000, 120, 1000
"""Settings that are kept of a run, and characters that are kept of a key and of a text."""
LONGEST_NAME = 120


def given_plan(name: str, settings: Mapping[str, Any], program: str) -> dict[str, Any]:
    """The fields of the plan of a run that another program trains; see `settings.given_plan.GivenPlan`.

    settings: see `flat`; a whole number called `seed` is the run's seed. program: what wrote the run.
    """
    given = flat(settings)
    fields: dict[str, Any] = {"name": name[:LONGEST_NAME] or "run", "program": program}
    seed = given.get("seed")
    if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
        fields["seed"] = given.pop("seed")
    return fields | {"given": given}


def flat(settings: Mapping[str, Any]) -> dict[str, GivenValue]:
    """Settings by dotted key. What is neither a number, a text, a truth value nor nothing is its text; cut at the bounds above."""
    found: dict[str, GivenValue] = {}
    _flatten("", settings, found)
    return found


def _flatten(before: str, value: Any, found: dict[str, GivenValue]) -> None:
    if isinstance(value, Mapping) and (value or not before):
        for key, inner in value.items():
            _flatten(f"{before}.{key}" if before else str(key), inner, found)
    elif len(found) < MOST_GIVEN:
        found[before[:LONGEST_KEY]] = _plain(value)


def _plain(value: Any) -> GivenValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return str(value)[:LONGEST_VALUE]
