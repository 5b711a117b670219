"""The verb `export`: a run's network for others."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.cli.look import Address
from revconsole.cli.opening import opened
from revconsole.errors import UnknownName
from revconsole.records.findings.exported import TARGETS


def export(
    context: typer.Context,
    run: Address,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="|".join(TARGETS),
            help="For whom: timm and hf (transformers) take a plain network, torch and onnx a program of any scheme.",
        ),
    ],
    json: Json = False,
) -> None:
    """Write the network of a run's best epoch into a folder for others: timm, transformers, torch alone, ONNX runtimes.

    It is read back and compared with the run's own on test images before the folder appears. The folder has weights,
    configuration, class names, preparation of the images, and a model card with the fingerprint of the data and the metrics.
    """
    from revconsole.lab.weights_out import export_run  # the records: no `--help` waits for them

    target = next((each for each in TARGETS if each == to), None)
    if target is None:
        raise UnknownName("target of an export", to, TARGETS)
    store = opened(context).store
    found = export_run(store, store.find(run), folder, to=target)
    if json:
        output.print_json(asdict(found))
    else:
        output.say(
            f"written: {folder}; read back by {found.of}, the logits of {found.images} test images differ from the run's "
            f"by {found.difference:.2g} at most"
        )
