"""Order: lists of runs sorted by any field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.lab.format import toml
from revconsole.lab.listing.fields import RunField
from revconsole.lab.listing.groups import RunGroup
from revconsole.records.runs.run import Summary


@dataclass(frozen=True, slots=True)
class Order:
    """A field to sort by. Runs without a value, or with NaN, come last in either direction."""

    field: RunField
    descending: bool = False

    def sorted(self, runs: Sequence[Summary]) -> list[Summary]:
        """The runs in this order; those with equal values keep their order."""
        known = [(value, run) for run in runs if (value := _comparable(self.field, run))]
        unknown = [run for run in runs if _comparable(self.field, run) is None]
        known.sort(key=lambda pair: pair[0], reverse=self.descending)
        return [*(run for _, run in known), *unknown]

    def sorted_groups(self, groups: Sequence[RunGroup]) -> list[RunGroup]:
        """The groups in this order: by the mean of a number, by the first run's value of anything else."""
        pairs = [(self._of_group(group), group) for group in groups]
        known = [(value, group) for value, group in pairs if value is not None]
        known.sort(key=lambda pair: pair[0], reverse=self.descending)
        return [*(group for _, group in known), *(group for value, group in pairs if value is None)]

    def _of_group(self, group: RunGroup) -> tuple[int, Any] | None:
        mean = None if self.field.kind in {"text", "words", "mixed"} else group.spread(self.field)
        if mean is not None and mean.mean == mean.mean:
            return 0, mean.mean
        return _comparable(self.field, group.first)


def best_first(field: RunField) -> bool:
    """Whether the largest value of a field is usually looked for: accuracies and speeds."""
    return field.kind == "fraction" or field.key in {"images_per_second", "progress"}


def _comparable(field: RunField, run: Summary) -> tuple[int, Any] | None:
    """A value that compares with those of other runs: numbers before texts."""
    value = field.value(run)
    if value is None or value in ("", ()) or value != value:  # noqa: PLR0124  NaN; a list is no key
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, value
    return 1, toml(value).casefold()
