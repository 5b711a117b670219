"""The verb that says what runs would cost before they train: plan."""

from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import output
from revconsole.cli.launch import Profile, Settings

if TYPE_CHECKING:
    from revconsole.records.plan import Plan

UNIT = "flops_per_image are multiply-adds of the forward pass: matrix products, convolutions and attention"
LEFT_OUT = (
    "without labels, parameters are of all that trains or teaches, and flops_per_image of the encoder on a whole image: "
    "masks, decoder, projection head, teacher and further crops are not counted"
)
COLUMNS = [
    "name", "architecture", "scheme", "parameters", "trainable_parameters", "flops_per_image",
    "seconds_to_build",
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command()(plan)


def plan(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Count weights and operations of every model of a profile; trains nothing and needs no data files."""
    from revconsole.lab.lab import Lab  # pydantic and the records: not for --help
    from revconsole.records.profile import parse_assignments  # as above

    lab = Lab(context.obj)
    planned = lab.plan(profile, parse_assignments(settings or []))
    entries = [
        {
            "name": each.name,
            "architecture": each.model.architecture,
            "scheme": each.scheme.name,
            "objective": each.objective.name,
            **lab.cost(each),
        }
        for each in planned.plans
    ]
    if json:
        output.print_json([entry | {"flops_unit": "multiply-adds"} for entry in entries])
        return
    shown = [{k: "–" if v is None else v for k, v in entry.items()} for entry in entries]
    output.print_entries(shown, COLUMNS, json=False)
    for each in planned.plans:
        if each.model.architecture == "svm":
            output.say(fitted(each))
    output.say(UNIT)
    if any(each.objective.name != "classification" for each in planned.plans):
        output.say(LEFT_OUT)


def fitted(plan: "Plan") -> str:
    """What can be said of a support vector machine beforehand, and what cannot."""
    facts = plan.facts
    pairs, numbers = facts.classes * (facts.classes - 1) // 2, facts.channels * plan.image_size**2
    images = plan.data.train_limit or plan.shipped_images
    most = f" of {images - plan.data.held_out(images):,} training images" if images else ""
    return (
        f"{plan.name}: {pairs:,} {'pair' if pairs == 1 else 'pairs'} of classes to fit, {numbers:,} numbers an image; how many{most} "
        "become support vectors, and with them weights and operations, is known once it is fitted"
    )
