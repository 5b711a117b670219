"""Columns: the settings that tell the runs of a list apart."""

from collections.abc import Sequence
from typing import Any

from revconsole.lab.format import toml
from revconsole.lab.listing.fields import RunField, given_fields, setting_fields
from revconsole.records.runs.run import Summary


def telling(runs: Sequence[Summary]) -> tuple[RunField, ...]:
    """The fewest settings that tell the runs apart, in a fixed order with the seed last; none for runs that are all alike.

    They are chosen one after the other, each time the one that splits the runs further than any other. A setting that
    follows from the chosen ones is left out, as the backward is that every scheme has of its own.
    """
    places = [0] * len(runs)
    sections: dict[str, list[int]] = {}
    fields = (*setting_fields(), *given_fields(runs))
    candidates = [(field, values) for field in fields if (values := _values(field, runs, sections))]
    chosen: list[RunField] = []
    parts = 1
    while candidates:
        splits = [len(set(zip(places, values, strict=True))) for _, values in candidates]
        best = splits.index(max(splits))
        if splits[best] == parts:
            break
        field, values = candidates.pop(best)
        numbers: dict[tuple[int, int], int] = {}
        places = [
            numbers.setdefault(pair, len(numbers)) for pair in zip(places, values, strict=True)
        ]
        chosen.append(field)
        parts = len(numbers)
    return tuple(field for field in fields if field in chosen)


def _values(field: RunField, runs: Sequence[Summary], sections: dict[str, list[int]]) -> list[int]:
    """A number for the value of each run, equal for equal values; empty if all are equal or unknown.

    sections: for the sections met so far, the place of the first run with the same section as each run. Thousands of runs
    share a few sections, so a value is looked up once for each.
    """
    section, dot, _ = field.key.partition(".")
    firsts = _firsts(section if dot else "", runs, sections)
    numbers: dict[Any, int] = {}
    known: dict[int, int] = {}
    for place in dict.fromkeys(firsts):
        known[place] = numbers.setdefault(toml(field.value(runs[place])), len(numbers))
    return [known[place] for place in firsts] if len(numbers) > 1 else []


def _firsts(section: str, runs: Sequence[Summary], sections: dict[str, list[int]]) -> list[int]:
    if section not in sections:
        first: dict[int, int] = {}
        sections[section] = [
            first.setdefault(
                id(getattr(run.plan, section, run)), place
            )  # no plan of ours has `given`
            if section and run.plan_known  # the sections of any other run say nothing of it
            else place
            for place, run in enumerate(runs)
        ]
    return sections[section]
