"""Output of `plan --modules`: the modules of each model, and the sentence on what its scheme changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.cli import output
from revconsole.lab.module_rows import HEADINGS, cells, sums
from revconsole.records.findings.modules import ModuleCost

OF_MODULES = (
    "parameters and multiply-adds of a module exclude the modules inside it; outputs are for one image; `times` is the "
    "number of identical modules, and the last row is the sum of all"
)


def print_modules(entry: Mapping[str, Any], modules: Sequence[ModuleCost]) -> None:
    """Print one model module by module; identical blocks are one row with their number."""
    output.say(f"{entry['name']}: {entry['architecture']} with scheme {entry['scheme']}")
    output.print_table(HEADINGS, cells(modules), yields=["kind"], stays=["times"])
    output.say(OF_MODULES)
    if note := rewired(entry, modules):
        output.say(note)


def rewired(entry: Mapping[str, Any], modules: Sequence[ModuleCost]) -> str:
    """A sentence where the sums of the modules, those of the plain network, differ from the counts; empty where they agree."""
    wired = entry["parameters"], entry["multiply_adds_per_image"]
    if wired == sums(modules) or None in wired:
        return ""
    return (
        f"{entry['name']}: the modules are those of the plain network; with scheme {entry['scheme']} it has "
        f"{wired[0]:,} parameters and {wired[1]:,} multiply-adds in all"
    )
