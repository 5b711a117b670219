"""The verb `weights`: what a file of weights holds."""

from collections.abc import Iterator
from dataclasses import asdict
from shlex import quote
from typing import Annotated

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.lab.torch_api import training
from revconsole.records.findings.weights_file import LoadedWeights, WeightsFile
from revconsole.records.printable import plural

MOST_NAMED = 4
CONFIGURATION = "config.json"
KINDS = {"safetensors": "safetensors", "torch": "of torch.save", "npz": "Google's .npz"}
GROUP = typer.Typer(
    help="Look into a file of weights: what it holds, which model it fits, what would be renewed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@GROUP.callback()
def _group() -> None:
    """Look into a file of weights: what it holds, which model it fits, what would be renewed."""


@GROUP.command()
def show(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .safetensors, .pth or .npz, a folder with one, or hf-hub:OWNER/NAME in the local cache.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Compare with this timm model only; refused with the reason if it does not fit."
        ),
    ] = "",
    size: Annotated[
        int | None, typer.Option(help="Pixels of a side of your images.", min=1)
    ] = None,
    channels: Annotated[int, typer.Option(help="Channels of your images.", min=1)] = 3,
    classes: Annotated[int | None, typer.Option(help="Your classes.", min=1)] = None,
    json: Json = False,
) -> None:
    """Show what a file of weights holds, which of timm's models takes it, and what would be renewed. Nothing is executed.

    The first models that fit are named; others may differ in nothing that a file shows, such as the number of heads.
    """
    found = training.weights_described(
        file, model=model, size=size, channels=channels, classes=classes, say=output.say
    )
    if json:
        output.print_json(asdict(found))
    else:
        output.print_table(["fact", "value"], list(_facts(found)), prose=["value"])


def _facts(found: WeightsFile) -> Iterator[tuple[str, str]]:
    under = f", under {found.part!r}" if found.part else ""
    yield "file", found.file
    names = f", with the names of {found.of}" if found.of else ""
    yield "format", f"{KINDS[found.kind]}{under}{names}"
    yield "holds", f"{found.tensors} tensors, {found.numbers:,} numbers, {', '.join(found.types)}"
    if found.looks_like:
        yield "looks like", found.looks_like
    if found.epsilon is not None:
        yield "its norms add", f"{found.epsilon:g}, says {CONFIGURATION}"
    elif found.of:
        yield (
            "its norms add",
            f"what is not said without {CONFIGURATION}: 1e-12 is usual there, 1e-6 here",
        )
    if found.own:
        yield "fits vit", _own(found)
    if found.loaded is None:
        compared = f"none of {plural(found.compared, 'model')} of timm's with such a first layer"
        yield "fits", f"{compared}; --model NAME compares it with one, and says why it does not fit"
        return
    yield "fits", ", ".join(found.fits)
    yield from _in_model(found.loaded)
    epsilon = "" if found.epsilon is None else f" model.norm_eps={found.epsilon:g}"
    yield (
        "to start from it",
        f"model.architecture=timm model.name={found.loaded.model}{epsilon} model.weights={quote(found.file)}",
    )


def _own(found: WeightsFile) -> str:
    """The settings of our own architecture, as one writes them."""
    settings = " ".join(f"model.{name}={value}" for name, value in found.own.items())
    doubt = (
        ""
        if found.heads_said
        else " (how many heads is not in the file; 64 numbers in each are usual)"
    )
    return f"model.architecture=vit {settings}{doubt}"


def _in_model(loaded: LoadedWeights) -> Iterator[tuple[str, str]]:
    images = f"{loaded.size}×{loaded.size} pixels, {plural(loaded.channels, 'channel')}"
    yield "in", f"{loaded.model} for images of {images}, {plural(loaded.classes, 'class')}"
    yield "taken", plural(loaded.taken, "tensor")
    if loaded.prefix:
        yield "the network", f"is what begins with {loaded.prefix}"
    if loaded.left:
        more = ", …" if len(loaded.left) > MOST_NAMED else ""
        yield "left out", f"{len(loaded.left)}: {', '.join(loaded.left[:MOST_NAMED])}{more}"
    for name, (there, here) in loaded.renewed.items():
        was = f"{there} classes in the file" if there else "not in the file"
        yield "renewed", f"{name}: {was}, {here} here, from zeros"
    for name, (before, after) in loaded.resized.items():
        yield "resized", f"{name}: {before} to {after}"
