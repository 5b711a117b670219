"""The verb that says what runs would cost before they train: plan."""

from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.launch import Profile, Settings

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
    output.print_entries(entries, COLUMNS, json=False)
    output.say(UNIT)
    if any(each.objective.name != "classification" for each in planned.plans):
        output.say(LEFT_OUT)
