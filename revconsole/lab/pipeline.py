"""The data of a profile alone: what it looks like, and how fast it is prepared."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from revconsole.errors import ProfileError, RevconsoleError, UnknownName
from revconsole.lab.torch_api import training
from revconsole.records.datasets import catalogue
from revconsole.records.datasets.facts import data_folder
from revconsole.records.findings.samples import Samples
from revconsole.records.sections import Data, Train
from revconsole.records.sections.data import AUGMENTATIONS
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, Profile
from revconsole.records.settings.study import UnfitChoice

ANY_SIZE = {"architecture": "vit", "patch": 1}
"""Model settings that fit any image size, because a plan needs a valid model although it is never built."""
USUAL: dict[str, dict[str, Any]] = {
    "none": {},
    "crop-flip": {"augment": "crop-flip"},
    "random_resized_crop": {"random_resized_crop": 0.08},
    "rotation": {"rotation": 15.0},
    "colour_jitter": {"colour_jitter": 0.4},
    "blur": {"blur": 1.0},
    "rand_augment": {"rand_augment": 9},
    "erasing": {"erasing": 0.25},
    "mixup": {"mixup": 0.8},
    "cutmix": {"cutmix": 1.0},
    "all but blur": {
        "augment": "crop-flip", "rotation": 15.0, "colour_jitter": 0.4, "rand_augment": 9, "erasing": 0.25,
        "mixup": 0.8, "cutmix": 1.0,
    },
}  # fmt: skip
"""Augmentations that recipes commonly use."""
Row = dict[str, Any]


def plan_of(dataset: str, settings: Mapping[str, Any]) -> Plan:
    """A plan for the data alone; a bare key is one of `data`, else of `train`. Raises UnknownName or ProfileError."""
    catalogue.dataset(dataset)
    dotted = {_dotted(name): value for name, value in settings.items()}
    profile = Profile(name=dataset, where=COMMAND_LINE, table={"model": ANY_SIZE})
    return profile.overridden({"data.dataset": dataset, **dotted}).plans()[0]


def samples(dataset: str, settings: Mapping[str, Any], *, count: int, side: int) -> Samples:
    """Some training images, each at most `side` pixels wide. Imports torch."""
    return training.samples(plan_of(dataset, settings), data=data_folder(), count=count, side=side)


def throughputs(
    datasets: Sequence[str], settings: Mapping[str, Any], *, seconds: float
) -> Iterator[Row]:
    """Images per second of each dataset with each usual augmentation, or with that in `settings`. Imports torch.

    A row whose augmentation does not suit the dataset has the reason in `left_out` instead of numbers.
    """
    asked = {name: value for name, value in settings.items() if _own(name) in AUGMENTATIONS}
    kinds = {"none": {}, "as set": asked} if asked else USUAL
    rest = {name: value for name, value in settings.items() if name not in asked}
    for dataset in datasets:
        for kind, augmentation in kinds.items():
            yield {"dataset": dataset, "augmentation": kind} | _measured(
                dataset, rest | augmentation, seconds
            )


def paces(profile: str, settings: Mapping[str, Any], *, seconds: float) -> Iterator[Row]:
    """Images per second of the data alone, of the model's step alone and of both, for each plan of a profile. Imports torch.

    A plan that cannot be measured has the reason in `left_out`. Raises UnknownName, and for a single plan ProfileError and
    the errors of its run.
    """
    choices = search_path.find(profile).models({"seeds": 0, **settings})
    for each in choices:
        try:
            if isinstance(each, UnfitChoice):
                raise each.error
            yield _pace(each, seconds)
        except RevconsoleError as error:
            if len(choices) == 1:
                raise
            yield {"run": each.name, "left_out": str(error)}


def _pace(plan: Plan, seconds: float) -> Row:
    pace = training.training_pace(plan, data=data_folder(), seconds=seconds)
    return {
        "run": plan.name,
        "left_out": "",
        "dataset": plan.data.dataset,
        "augmentation": plan.data.augmentations,
        "image_size": plan.image_size,
        "batch": pace.images,
        "data_images_per_second": pace.images / pace.data_seconds,
        "model_images_per_second": pace.images / pace.model_seconds,
        "images_per_second": pace.images / pace.both_seconds,
        "bound_by": pace.bound_by,
        "waiting": pace.waiting,
        "made_ahead": pace.ahead,
        "rounds": pace.rounds,
        "device": pace.device,
        "threads": pace.threads,
    }


def is_profile(word: str) -> bool:
    """Whether a word names a profile rather than a dataset. Raises UnknownName if it names neither."""
    if word in catalogue.datasets():
        return False
    try:
        search_path.path_of(word)
    except UnknownName as error:
        known = [*catalogue.datasets(), *error.known]
        raise UnknownName("dataset or profile", word, known) from None
    return True


def _measured(dataset: str, settings: Mapping[str, Any], seconds: float) -> Row:
    plan = plan_of(dataset, settings)
    try:
        speed = training.throughput(plan, data=data_folder(), seconds=seconds)
    except ProfileError as error:
        return {"left_out": error.reason}
    return {
        "image_size": plan.image_size,
        "batch": speed.images,
        "images_per_second": speed.images_per_second,
        "batch_milliseconds": 1000 * speed.median_seconds,
        "least_milliseconds": 1000 * speed.least_seconds,
        "most_milliseconds": 1000 * speed.most_seconds,
        "batches": speed.batches,
        "device": speed.device,
        "threads": speed.threads,
        "left_out": "",
    }


def _own(name: str) -> str:
    return name.removeprefix("data.")


def _dotted(name: str) -> str:
    if "." in name or name == "seeds":
        return name
    known = Train.model_fields.keys() - Data.model_fields.keys()
    return f"train.{name}" if name in known else f"data.{name}"
