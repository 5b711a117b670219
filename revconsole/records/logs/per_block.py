"""Per block: names of metrics that are measured for every block of a model."""

import re
from collections.abc import Iterable

MARK = "_of_block_"


def of_block(what: str, number: int) -> str:
    """The name of the metric `what` of one block, counted from 0."""
    return f"{what}{MARK}{number}"


def block_number(name: str) -> int | None:
    """The block that a metric is of; None for a metric that is of no block."""
    match = re.fullmatch(rf".+{MARK}(\d+)", name)
    return int(match[1]) if match else None


def measured_by_block(names: Iterable[str]) -> dict[str, list[str]]:
    """The metrics of blocks among `names`, by what they measure, in the order of the blocks."""
    by_quantity: dict[str, list[str]] = {}
    for name in names:
        if block_number(name) is not None:
            by_quantity.setdefault(name.rpartition(MARK)[0], []).append(name)
    return {
        what: sorted(each, key=lambda name: block_number(name) or 0)
        for what, each in by_quantity.items()
    }
