"""The verb `data`: list datasets, recognise folders, show samples, measure throughput."""

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from revconsole.cli import data_add, output, pictures
from revconsole.cli.arguments import Json
from revconsole.errors import UnknownName
from revconsole.lab import pipeline
from revconsole.lab.pictures import described
from revconsole.records.datasets import catalogue
from revconsole.records.datasets import facts as records
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.findings.samples import Samples
from revconsole.records.printable import one_line
from revconsole.records.settings.profile import parse_assignments

LISTING = "list"
"""Name of the verb behind `revconsole data` and `revconsole data NAME`, too."""
SIDE = 18
"""Pixels of a picture's side: four pictures fit side by side into 80 columns."""
POINTS_SIDE = 38
MOST_SAMPLES = 8
HEADINGS = {
    "name": "name", "what": "title", "classes": "classes", "images": "training + test images", "size": "size",
    "present": "present",
}  # fmt: skip
"""Headings of the keys that the list of datasets shows."""
LONGEST = 2000
"""Most characters printed of the description of what was read: a folder has many parts, and their names come from files."""
SPEEDS = ["dataset", "augmentation", "size", "batch", "images/s", "ms per batch", "device"]
PACES = ["run", "dataset", "size", "batch", "data/s", "model/s", "both/s", "bottleneck", "device"]
YIELDS = ["device", "batch", "size"]
READY = ("digits", "synthetic")
"""Datasets measured where none is named; they need no download."""

Row = dict[str, Any]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings of data, e.g. augment=crop-flip mixup=0.2 standardise=zca.",
    ),
]


class NamedOrListed(TyperGroup):
    """`data show …`, `data add …` and so on; any other word is the name of a dataset to list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the listing verb before arguments that do not begin with a verb."""
        asks_help = bool(args) and args[0] in {"-h", "--help"}
        if not asks_help and not (args and args[0] in self.commands):
            args = [LISTING, *args]
        return super().parse_args(ctx, args)


GROUP = typer.Typer(
    cls=NamedOrListed,
    help="List the datasets, or the facts of one by its NAME; recognise a folder, show samples, measure throughput.",
    rich_markup_mode=None,
)


GROUP.command("add")(data_add.add)


@GROUP.command(LISTING)
def facts(
    name: Annotated[str, typer.Argument(help="One dataset, with all its facts.")] = "",
    json: Json = False,
) -> None:
    """List the datasets: size, classes, and where the files are or how to get them."""
    chosen = {name: catalogue.dataset(name)} if name else catalogue.datasets()
    entries = [_entry(key, known, full=bool(name) or json) for key, known in chosen.items()]
    if name and not json:
        pairs = [[HEADINGS.get(key, key), str(v)] for key, v in entries[0].items() if v != ""]
        output.print_table(["fact", "value"], pairs, prose=["value"])
    else:
        prose = list(HEADINGS.values())[1:]
        output.print_entries(entries, HEADINGS, json=json, prose=prose)


@GROUP.command()
def show(
    dataset: Annotated[
        str,
        typer.Argument(help="A dataset by name, or a folder of images.", metavar="DATASET|FOLDER"),
    ],
    words: Words = None,
    json: Json = False,
) -> None:
    """Draw training images before and after augmentation; print class balance, statistics and fingerprint (loads torch)."""
    settings = parse_assignments(words)
    if dataset not in catalogue.datasets():
        if os.sep not in dataset and not Path(dataset).exists():
            raise UnknownName("dataset and no folder", dataset, catalogue.datasets())
        from revconsole.records.datasets.recognition import recognised  # Pillow: only for a folder

        found = recognised(Path(dataset).expanduser().absolute()).data
        dataset, settings = str(found["dataset"]), {**found, **settings}
    points = catalogue.dataset(dataset).size == 1
    samples = pipeline.samples(
        dataset, settings, count=MOST_SAMPLES, side=POINTS_SIDE if points else SIDE
    )
    for note in samples.notes:
        output.say(note)
    if json:
        output.print_json(_document(samples))
    else:
        _draw(samples)


@GROUP.command()
def throughput(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATASET|PROFILE|KEY=VALUE]...",
            help="A profile, whose data pipeline and model are measured alone and together; or datasets (default: digits and "
            "synthetic); and settings. With settings of an augmentation only that one is measured.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Seconds of each measurement.", min=0.0, max=3600.0)
    ] = 1.0,
    json: Json = False,
) -> None:
    """Measure images per second of the data pipeline; of a profile also those of its model and of both, and the bottleneck (loads torch)."""
    arguments = words or []
    settings = parse_assignments([word for word in arguments if "=" in word])
    named = [word for word in arguments if "=" not in word]
    profiles = [word for word in named if pipeline.is_profile(word)]
    if profiles:
        paces = (pipeline.paces(profile, settings, seconds=seconds) for profile in profiles)
        rows = _told(itertools.chain.from_iterable(paces), _bottleneck)
    else:
        speeds = pipeline.throughputs(named or list(READY), settings, seconds=seconds)
        rows = _told(speeds, _speed)
    measured = [row for row in rows if not row["left_out"]]
    if json:
        output.print_json(rows)
    elif profiles:
        output.print_table(PACES, map(_pace_cells, measured), yields=[*YIELDS, "dataset"])
    else:
        output.print_table(SPEEDS, map(_cells, measured), yields=YIELDS, stays=["images/s"])


def _told(rows: Iterable[Row], sentence: Callable[[Row], str]) -> list[Row]:
    """Say each measurement as soon as it is made, or why there is none; returns all."""
    every = []
    for row in rows:
        every.append(row)
        what = row.get("run") or f"{row['dataset']}, {row['augmentation']}"
        output.say(f"{what}: {row['left_out'] or sentence(row)}")
    return every


def _speed(row: Row) -> str:
    return f"{row['images_per_second']:,.0f} images/s"


def _bottleneck(row: Row) -> str:
    return f"the {row['bound_by']} is the bottleneck; {row['waiting']:.0%} of the time of a step is beyond what the model alone takes"


def _pace_cells(row: Row) -> list[str]:
    speeds = ("data_images_per_second", "model_images_per_second", "images_per_second")
    return [
        row["run"],
        row["dataset"],
        f"{row['image_size']} px",
        str(row["batch"]),
        *(f"{row[name]:,.0f}" for name in speeds),
        row["bound_by"],
        _device(row),
    ]


def _entry(key: str, known: DatasetFacts, *, full: bool) -> dict[str, Any]:
    folder = records.data_folder()
    place = records.present(known, folder)
    needs = ", ".join(f"data.{name}" for name in known.by_settings[:1])
    decided = "by " + needs.removeprefix("data.")
    entry: dict[str, Any] = {
        "name": key,
        "what": known.title,
        "classes": known.classes or decided,
        "images": f"{known.train_images:,}+{known.test_images:,}"
        if known.train_images
        else decided,
        "size": f"{known.size}×{known.size}×{known.channels}" if known.size else decided,
        "present": f"needs {needs}" if needs else "yes" if place else "no",
    }
    if full:
        entry |= {"place": str(place or ""), "source": known.source, "licence": known.licence}
        entry["to get it"] = "" if place or not known.layouts else records.how_to_get(known, folder)
    return entry


def _draw(samples: Samples) -> None:
    colour = pictures.in_colour()
    titles = ("as stored", "as trained on, each stretched to the full range of brightness")
    for title, shown in zip(titles, (samples.before, samples.after), strict=True):
        output.print_lines([title, *pictures.beside(shown, colour=colour), ""])
    output.print_table(["what", "value"], described(samples), prose=["value"])
    output.print_sentence(one_line(f"what was read: {samples.read}", LONGEST))


def _document(samples: Samples) -> dict[str, Any]:
    return {
        "dataset": samples.dataset,
        "channels": samples.shape[0],
        "size": samples.shape[1],
        "counts": samples.counts,
        "mean": samples.mean,
        "std": samples.std,
        "fingerprint": samples.fingerprint,
        "what_was_read": samples.read,
        "notes": samples.notes,
    }


def _cells(row: Row) -> list[str]:
    spread = f"{row['least_milliseconds']:.1f} to {row['most_milliseconds']:.1f}"
    return [
        row["dataset"],
        row["augmentation"],
        f"{row['image_size']} px",
        str(row["batch"]),
        f"{row['images_per_second']:,.0f}",
        f"{row['batch_milliseconds']:.1f} ({spread})",
        _device(row),
    ]


def _device(row: Row) -> str:
    threads = row["threads"]
    return f"{row['device']}, {threads} {'thread' if threads == 1 else 'threads'}"
