"""Module rows: the modules of a model as a table, blocks that repeat folded into one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from revconsole.records.findings.modules import ModuleCost

NUMBERED = re.compile(r"(.*?\.)?(\d+)((?:\..*)?)", re.DOTALL)
"""A name in a numbered list: what stands before the number, the number, what stands behind it."""


def folded(modules: Sequence[ModuleCost]) -> list[tuple[ModuleCost, int]]:
    """Each module with how often it is there: `blocks.0-11.attn.qkv` stands for twelve alike, shapes and counts of one.

    Neighbours of a list are folded where all that is in them is equal.
    """
    rows: list[tuple[ModuleCost, int]] = []
    for prefix, first, last, modules_of_one in _runs(modules):
        for module in modules_of_one:
            rest = _parts(module)[2]
            name = f"{prefix}{first}-{last}{rest}" if last > first else module.name
            rows.append((replace(module, name=name), last - first + 1))
    return rows


def _runs(modules: Sequence[ModuleCost]) -> Iterator[tuple[str, int, int, list[ModuleCost]]]:
    """Prefix, first and last number of entries of a list that are alike, and the modules of the first."""
    run: tuple[str, int, int, list[ModuleCost]] | None = None
    for (prefix, number), group in groupby(modules, key=lambda each: _parts(each)[:2]):
        inside = list(group)
        if (
            run is not None
            and number >= 0
            and run[0] == prefix
            and run[2] + 1 == number
            and _alike(run[3], inside)
        ):
            run = (*run[:2], number, run[3])
            continue
        if run is not None:
            yield run
        run = (prefix, number, number, inside)
    if run is not None:
        yield run


def _alike(one: Sequence[ModuleCost], other: Sequence[ModuleCost]) -> bool:
    return [replace(each, name=_parts(each)[2]) for each in one] == [
        replace(each, name=_parts(each)[2]) for each in other
    ]


def _parts(module: ModuleCost) -> tuple[str, int, str]:
    found = NUMBERED.fullmatch(module.name)
    return (found[1] or "", int(found[2]), found[3]) if found else (module.name, -1, "")
