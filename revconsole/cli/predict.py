"""The verb `predict`: what a run's network says of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.cli.look import Address
from revconsole.cli.opening import opened
from revconsole.records.printable import plural

if TYPE_CHECKING:
    from revconsole.records.findings.predictions import Prediction, Predictions

SHOWN = 3
"""Classes of an image that a table shows."""
MOST_NAMED = 5


def predict(
    context: typer.Context,
    run: Address,
    source: Annotated[
        str,
        typer.Argument(
            help="An image, a folder of images, a dataset by name, or test, validation or train of the run's own data."
        ),
    ] = "test",
    wrong: Annotated[
        bool, typer.Option("--wrong", help="Only images that are called otherwise than they are.")
    ] = False,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Print the confusion matrix instead of the images.")
    ] = False,
    attention: Annotated[
        Path | None,
        typer.Option(help="Write what the network looks at in the first images to this new .png."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write every probability to this new .csv or .json.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what the network of a run's best epoch calls images, with probabilities; accuracy where the classes are known.

    In a folder, images in a folder of a class's name are known to be of it. Images are fitted
    to the size of the run's data as those of the run were (`data.fit`).
    """
    from revconsole.lab import predicting  # the records: no `--help` waits for them

    store = opened(context).store
    predicting.refuse_targets(to=to, attention=attention)
    found = predicting.predicted(
        store, store.find(run), source, say=output.say, attention=attention
    )
    if to is not None:
        predicting.write(found, to)
        output.say(f"written: {to}")
    if confusion:
        output.print_confusion(predicting.confusion_of(found))
    elif json:
        output.print_json(predicting.as_json(found))
    elif to is None:
        _print(found, found.wrong if wrong else found.images)
    _say(found)


def _print(found: "Predictions", shown: Sequence["Prediction"]) -> None:
    rows = []
    for each in shown:
        ranked = each.ranked(found.classes)[:SHOWN]
        others = ", ".join(f"{name} {share:.1%}" for name, share in ranked[1:])
        (called, share), truth = ranked[0], each.truth or ""
        rows.append([each.image, truth, called, f"{share:.1%}", others])
    output.print_table(
        ["image", "is", "called", "probability", "then"], rows, stays=["is", "called"]
    )


def _say(found: "Predictions") -> None:
    """Say how many are right, and what was left out."""
    if found.left_out:
        named = "; ".join(f"{name} ({why})" for name, why in found.left_out[:MOST_NAMED])
        more = "; …" if len(found.left_out) > MOST_NAMED else ""
        output.say(f"left out: {plural(len(found.left_out), 'file')}: {named}{more}")
    if found.accuracy is None:
        output.say(f"{plural(len(found.images), 'image')} of {found.source}, of unknown classes")
    else:
        known = len(found.known)
        right = f"{known - len(found.wrong):,} of {known:,} right, {found.accuracy:.1%}"
        output.say(f"{found.source}: {right}; weights of step {found.step}")
