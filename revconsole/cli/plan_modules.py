"""Output of `plan --modules`: the modules of each model, and the sentence on what its scheme changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.cli import output
from revconsole.lab.module_rows import HEADINGS, cells, sums
from revconsole.records.findings.modules import ModuleCost
from revconsole.records.settings.plan import Plan

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


def fitted(plan: Plan) -> str:
    """A sentence on a support vector machine: what is known before the fit, and what is not."""
    facts = plan.facts
    pairs, numbers = facts.classes * (facts.classes - 1) // 2, facts.channels * plan.image_size**2
    images = plan.data.train_limit or plan.shipped_images
    most = f" of {images - plan.data.held_out(images):,} training images" if images else ""
    return (
        f"{plan.name}: {pairs:,} {'pair' if pairs == 1 else 'pairs'} of classes to fit, {numbers:,} numbers per image; how many{most} "
        "become support vectors, and so the numbers of parameters and operations, is known after the fit"
    )
