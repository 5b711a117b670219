"""Reported: the accuracies that others published for the arms of a study, from its table `[reported]`."""

from collections.abc import Collection, Mapping
from typing import Any

from revconsole.errors import ProfileError, nearest


def of_table(table: Any, where: str) -> Mapping[str, float]:
    """Test accuracy in percent by the name of the arm. Raises ProfileError."""
    if not isinstance(table, Mapping):
        raise ProfileError(where, "reported", f"should be a table, not {table!r}")
    for arm, value in table.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 100:
            raise ProfileError(
                where, f"reported.{arm}", f"should be a test accuracy in percent, not {value!r}"
            )
    return {arm: float(value) for arm, value in table.items()}


def refuse_unknown_arms(reported: Collection[str], arms: Collection[str], where: str) -> None:
    """Raise ProfileError for an accuracy of an arm that the study does not have."""
    for arm in reported:
        if arm not in arms:
            raise ProfileError(where, "reported", f"there is no arm {arm!r}{nearest(arm, arms)}")
