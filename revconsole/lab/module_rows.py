"""Module rows: the modules of a model as a table, with identical blocks folded into one row."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from revconsole.lab import format as form
from revconsole.records.findings.modules import ModuleCost

HEADINGS = ("module", "kind", "output", "times", "parameters", "multiply-adds")
NUMBERED = re.compile(r"(.*?\.)?(\d+)((?:\..*)?)", re.DOTALL)
"""A name in a numbered list: the part before the number, the number, the part after it."""


def folded(modules: Sequence[ModuleCost]) -> list[tuple[ModuleCost, int]]:
    """Each module with its number: `blocks.0-11.attn.qkv` stands for twelve identical ones, with the counts of one.

    Consecutive entries of a list are folded if all their modules are equal.
    """
    rows: list[tuple[ModuleCost, int]] = []
    for prefix, first, last, modules_of_one in _runs(modules):
        for module in modules_of_one:
            rest = _parts(module)[2]
            name = f"{prefix}{first}-{last}{rest}" if last > first else module.name
            rows.append((replace(module, name=name), last - first + 1))
    return rows


def cells(modules: Sequence[ModuleCost]) -> list[list[str]]:
    """A row of text for each module, identical blocks as one, and below them the sums."""
    rows = [
        [
            module.name, module.kind, "×".join(map(str, module.outputs[1:])) or form.UNKNOWN, str(times),
            f"{module.parameters:,}", f"{module.multiply_adds:,}",
        ]
        for module, times in folded(modules)
    ]  # fmt: skip
    parameters, operations = sums(modules)
    return [*rows, ["all", "", "", "", f"{parameters:,}", f"{operations:,}"]]


def sums(modules: Sequence[ModuleCost]) -> tuple[int, int]:
    """The sums of parameters and of multiply-adds over all modules."""
    return sum(m.parameters for m in modules), sum(m.multiply_adds for m in modules)


def _runs(modules: Sequence[ModuleCost]) -> Iterator[tuple[str, int, int, list[ModuleCost]]]:
    """Prefix, first and last number of consecutive identical entries of a list, and the modules of the first."""
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
    match = NUMBERED.fullmatch(module.name)
    return (match[1] or "", int(match[2]), match[3]) if match else (module.name, -1, "")
