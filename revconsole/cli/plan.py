"""The verb that says what runs would cost before they train: plan."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json, Profile, Settings
from revconsole.errors import RevconsoleError
from revconsole.lab import format as form
from revconsole.lab import rows
from revconsole.lab.lab import Lab
from revconsole.lab.module_rows import folded
from revconsole.lab.torch_api import training
from revconsole.records.findings.modules import ModuleCost
from revconsole.records.logs.events import Scalar
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.study import UnfitChoice

UNIT = (
    "operations are of the forward pass of one image: matrix products, convolutions and attention; papers say FLOPs of "
    "either, multiply-adds counted once or twice"
)
LEFT_OUT = (
    "without labels, parameters are of all that trains or teaches, and operations of the encoder on a whole image: "
    "masks, decoder, projection head, teacher and further crops are not counted"
)
COLUMNS = [
    "name", "architecture", "scheme", "parameters", "trainable_parameters", "multiply_adds_per_image",
    "operations",
]  # fmt: skip

MODULE_COLUMNS = ["module", "kind", "output", "times", "parameters", "multiply_adds"]
OF_MODULES = (
    "parameters and operations are of one module without those inside it, outputs of one image; `times` says how many "
    "alike there are, and the last row sums up all of them"
)
YIELDS = ["multiply_adds_per_image", "architecture", "scheme"]


def plan(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    modules: Annotated[
        bool,
        typer.Option("--modules", help="Parameters, shapes and multiply-adds of each module, too."),
    ] = False,
    json: Json = False,
) -> None:
    """Count weights and operations of every model of a profile; trains nothing and needs no data files."""
    found = Lab(context.obj).models(profile, parse_assignments(settings))
    plans, entries, errors = _counted(found)
    if not plans:
        raise errors[0]
    tables = [training.modules_of(each) for each in plans] if modules else []
    counted = [entry for entry in entries if not entry["left_out"]]
    if json:
        for entry, table in zip(counted, tables, strict=modules):
            entry["modules"] = [asdict(module) for module in table]
            entry["modules_note"] = _rewired(entry, table)
        output.print_json(entries)
    else:
        for entry, table in zip(counted, tables, strict=modules):
            _print_modules(entry, table)
        _print(entries)
        _explain(plans, counted)
    if errors:
        raise typer.Exit(errors[0].exit_code)


def _counted(
    found: Sequence[Plan | UnfitChoice],
) -> tuple[list[Plan], list[dict[str, Any]], list[RevconsoleError]]:
    """What was counted, of which models, and a row with the reason for each other: one hides no other."""
    plans: list[Plan] = []
    entries: list[dict[str, Any]] = []
    errors: list[RevconsoleError] = []
    for each in found:
        try:
            if isinstance(each, UnfitChoice):
                raise each.error
            entries.append(_entry(each, training.cost(each)))
            plans.append(each)
        except RevconsoleError as error:
            errors.append(error)
            entries.append({"name": each.name, "left_out": str(error)})
    return plans, entries, errors


def _print(entries: Sequence[Mapping[str, Any]]) -> None:
    """The table: what is not known of a model is a dash, and why it is not counted stands beside it."""
    rows = []
    for entry in entries:
        known = {key: value for key, value in entry.items() if value is not None}
        known["operations"] = form.multiply_adds(entry.get("multiply_adds_per_image"))
        rows.append([str(known.get(column, form.UNKNOWN)) for column in COLUMNS])
    output.print_judged(COLUMNS, rows, [e["left_out"] or None for e in entries], yields=YIELDS)


def _rewired(entry: Mapping[str, Any], modules: Sequence[ModuleCost]) -> str:
    """What the table of modules, which is of the plain network, does not add up to; empty where it does."""
    wired = entry["parameters"], entry["multiply_adds_per_image"]
    if wired == _sums(modules) or None in wired:
        return ""
    return (
        f"{entry['name']}: the modules are those of the plain network; with scheme {entry['scheme']} it has "
        f"{wired[0]:,} parameters and {wired[1]:,} multiply-adds in all"
    )


def _sums(modules: Sequence[ModuleCost]) -> tuple[int, int]:
    """Parameters and multiply-adds of all modules."""
    return sum(m.parameters for m in modules), sum(m.multiply_adds for m in modules)


def _print_modules(entry: Mapping[str, Any], modules: Sequence[ModuleCost]) -> None:
    """One model, module by module; of blocks that repeat the first, with how many there are."""
    output.say(f"{entry['name']}: {entry['architecture']} with scheme {entry['scheme']}")
    rows = [
        [
            module.name,
            module.kind,
            "×".join(map(str, module.outputs[1:])) or form.UNKNOWN,
            str(times),
            f"{module.parameters:,}",
            f"{module.multiply_adds:,}",
        ]
        for module, times in folded(modules)
    ]
    parameters, operations = _sums(modules)
    total = ["all", "", "", "", f"{parameters:,}", f"{operations:,}"]
    output.print_table(MODULE_COLUMNS, [*rows, total], yields=["kind"], stays=["times"])
    output.say(OF_MODULES)
    if note := _rewired(entry, modules):
        output.say(note)


def _explain(plans: Sequence[Plan], entries: Sequence[Mapping[str, Any]]) -> None:
    """The unit, and what was not counted."""
    for each, entry in zip(plans, entries, strict=True):
        if each.fitted:
            output.say(fitted(each))
        elif entry.get("multiply_adds_note"):
            output.say(f"{each.name}: {entry['multiply_adds_note']}")
    output.say(UNIT)
    if any(each.objective.name != "classification" for each in plans):
        output.say(LEFT_OUT)


def _entry(plan: Plan, cost: Mapping[str, Scalar]) -> dict[str, Any]:
    """What `--json` says of a model."""
    counted = cost["multiply_adds_per_image"]
    return {
        "name": plan.name,
        "left_out": "",
        "architecture": plan.model.architecture,
        "scheme": plan.scheme.name,
        "objective": plan.objective.name,
        **cost,
        **rows.operations(counted if isinstance(counted, int) else None),
    }


def fitted(plan: Plan) -> str:
    """What can be said of a support vector machine beforehand, and what cannot."""
    facts = plan.facts
    pairs, numbers = facts.classes * (facts.classes - 1) // 2, facts.channels * plan.image_size**2
    images = plan.data.train_limit or plan.shipped_images
    most = f" of {images - plan.data.held_out(images):,} training images" if images else ""
    return (
        f"{plan.name}: {pairs:,} {'pair' if pairs == 1 else 'pairs'} of classes to fit, {numbers:,} numbers an image; how many{most} "
        "become support vectors, and with them weights and operations, is known once it is fitted"
    )
