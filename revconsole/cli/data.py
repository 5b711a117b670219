"""The verb data: the datasets, their facts, what they look like, and how fast they are prepared."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from revconsole.cli import output, pictures
from revconsole.cli.arguments import Json
from revconsole.lab import pipeline
from revconsole.lab.pictures import described
from revconsole.records.datasets import catalogue
from revconsole.records.datasets import facts as records
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.findings.samples import Samples
from revconsole.records.printable import one_line
from revconsole.records.settings.profile import parse_assignments

LISTING = "facts"
"""What `revconsole data` and `revconsole data NAME` stand for."""
SIDE = 18
"""Pixels of a picture: four fit beside each other into 80 columns."""
POINTS_SIDE = 38
MOST_SAMPLES = 8
LONGEST = 2000
"""Characters of what was read: it may have many parts, and names come from files."""
READY = ("digits", "synthetic")
"""Measured where no dataset is named: they are on every machine."""

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings of data, e.g. augment=crop-flip mixup=0.2 standardise=zca.",
    ),
]


class NamedOrListed(TyperGroup):
    """`data show …` and `data throughput …`; anything else is the name of a dataset to list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the listing before what does not begin with a verb."""
        asks_help = bool(args) and args[0] in {"-h", "--help"}
        verbs = {verb for verb in self.commands if verb != LISTING}
        if not asks_help and not (args and args[0] in verbs):
            args = [LISTING, *args]
        return super().parse_args(ctx, args)


GROUP = typer.Typer(
    cls=NamedOrListed,
    help="List the datasets, or the facts of one by its NAME; show samples, measure throughput.",
    rich_markup_mode=None,
)


@GROUP.command(LISTING, hidden=True)
def facts(
    name: Annotated[str, typer.Argument(help="One dataset, with all its facts.")] = "",
    json: Json = False,
) -> None:
    """List the datasets, and where they lie or how to get them."""
    chosen = {name: catalogue.dataset(name)} if name else catalogue.datasets()
    entries = [_entry(key, known, full=bool(name) or json) for key, known in chosen.items()]
    if name and not json:
        pairs = [{"fact": key, "value": str(value)} for key, value in entries[0].items()]
        output.print_entries(pairs, ["fact", "value"], json=False, prose=["value"])
    else:
        columns = list(entries[0])[:6]
        output.print_entries(entries, columns, json=json, prose=columns[1:])


@GROUP.command()
def show(
    dataset: Annotated[str, typer.Argument(help="A dataset by name.")],
    words: Words = None,
    json: Json = False,
) -> None:
    """Draw training images before and after augmentation; class balance, statistics, fingerprint (loads torch)."""
    points = catalogue.dataset(dataset).size == 1
    found = pipeline.samples(
        dataset,
        parse_assignments(words),
        count=MOST_SAMPLES,
        side=POINTS_SIDE if points else SIDE,
    )
    for note in found.notes:
        output.say(note)
    if json:
        output.print_json(_document(found))
    else:
        _draw(found)


@GROUP.command()
def throughput(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATASET|PROFILE|KEY=VALUE]...",
            help="A profile, whose data and model are measured alone and together; or datasets (digits and "
            "synthetic, if none is named). And settings: augmentation among them is measured in place of the usual ones.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long each is measured.", min=0.0, max=3600.0)
    ] = 1.0,
    json: Json = False,
) -> None:
    """Measure how many images a second the data makes and the model of a profile takes, and which bounds (loads torch)."""
    given = words or []
    settings = parse_assignments([word for word in given if "=" in word])
    named = [word for word in given if "=" not in word]
    profiles = [word for word in named if pipeline.is_profile(word)]
    if profiles:
        _paces(profiles, settings, seconds=seconds, json=json)
        return
    datasets = named or list(READY)
    rows = []
    for row in pipeline.throughputs(datasets, settings, seconds=seconds):
        rows.append(row)
        if row["left_out"]:
            output.say(f"{row['dataset']}, {row['augmentation']}: {row['left_out']}")
        elif not json:
            output.say(
                f"{row['dataset']}, {row['augmentation']}: {row['images_per_second']:,.0f} images/s"
            )
    if json:
        output.print_json(rows)
        return
    columns = ["dataset", "augmentation", "size", "batch", "images/s", "ms per batch", "device"]
    measured = [_cells(row) for row in rows if not row["left_out"]]
    output.print_table(columns, measured, yields=["device", "batch", "size"], stays=["images/s"])


def _paces(profiles: list[str], settings: Mapping[str, Any], *, seconds: float, json: bool) -> None:
    rows = []
    for profile in profiles:
        for row in pipeline.paces(profile, settings, seconds=seconds):
            rows.append(row)
            if row["left_out"]:
                output.say(f"{row['run']}: {row['left_out']}")
                continue
            output.say(
                f"{row['run']}: the {row['bound_by']} bounds; a step takes {row['waiting']:.0%} of its time for "
                "what the model alone would not"
            )
    if json:
        output.print_json(rows)
        return
    columns = [
        "run",
        "dataset",
        "size",
        "batch",
        "data/s",
        "model/s",
        "both/s",
        "bound by",
        "device",
    ]
    yields = ["device", "size", "batch", "dataset"]
    measured = [_pace_cells(row) for row in rows if not row["left_out"]]
    output.print_table(columns, measured, yields=yields)


def _pace_cells(row: dict[str, Any]) -> list[str]:
    speeds = ("data_images_per_second", "model_images_per_second", "images_per_second")
    return [
        row["run"],
        row["dataset"],
        f"{row['image_size']} px",
        str(row["batch"]),
        *(f"{row[name]:,.0f}" for name in speeds),
        row["bound_by"],
        f"{row['device']}, {row['threads']} threads",
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


def _draw(found: Samples) -> None:
    colour = pictures.in_colour()
    titles = ("as stored", "as trained on, each stretched to its own range")
    for title, shown in zip(titles, (found.before, found.after), strict=True):
        output.print_lines([title, *pictures.beside(shown, colour=colour), ""])
    output.print_table(["what", "value"], described(found), prose=["value"])
    output.print_sentence(one_line(f"what was read: {found.read}", LONGEST))


def _document(found: Samples) -> dict[str, Any]:
    return {
        "dataset": found.dataset,
        "channels": found.shape[0],
        "size": found.shape[1],
        "counts": found.counts,
        "mean": found.mean,
        "std": found.std,
        "fingerprint": found.fingerprint,
        "what_was_read": found.read,
        "notes": found.notes,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    spread = f"{row['least_milliseconds']:.1f} to {row['most_milliseconds']:.1f}"
    return [
        row["dataset"],
        row["augmentation"],
        f"{row['image_size']} px",
        str(row["batch"]),
        f"{row['images_per_second']:,.0f}",
        f"{row['batch_milliseconds']:.1f} ({spread})",
        f"{row['device']}, {row['threads']} threads",
    ]
