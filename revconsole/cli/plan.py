"""The verb that says what runs would cost before they train: plan."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json, Profile, Settings
from revconsole.errors import RevconsoleError
from revconsole.lab import format as form
from revconsole.lab import rows
from revconsole.lab.lab import Lab
from revconsole.lab.torch_api import training
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

YIELDS = ["multiply_adds_per_image", "architecture", "scheme"]


def plan(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Count weights and operations of every model of a profile; trains nothing and needs no data files."""
    found = Lab(context.obj).models(profile, parse_assignments(settings))
    plans, entries, errors = _counted(found)
    if not plans:
        raise errors[0]
    if json:
        output.print_json(entries)
    else:
        _print(entries)
        _explain(plans, [entry for entry in entries if not entry["left_out"]])
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
