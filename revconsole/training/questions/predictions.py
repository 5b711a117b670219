"""Predictions: a run's best network on images of files, of a dataset, or of the run's own splits.

Shapes: B images, C channels, S pixels of height and width, K classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data import (
    OpenedData,
    OpenedSplit,
    evaluation_batches,
    open_data,
    resized,
)
from revconsole.errors import DataUnavailable, UnknownName, WrongState
from revconsole.records.datasets import catalogue
from revconsole.records.datasets.folder import of_a_system
from revconsole.records.findings.predictions import Prediction, Predictions
from revconsole.records.pictures.decoding import Unreadable, decode
from revconsole.records.pictures.file_pixels import PixelFrame
from revconsole.records.pictures.image_kinds import suffixes
from revconsole.records.printable import plural
from revconsole.records.sections import Data
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.questions.reopening import Reopened, reopen

SPLITS = ("test", "validation", "train")
BATCH = 64
MOST_FILES = 100_000
"""Most files of a folder that are predicted at once."""
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601), for a network that sees one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictured:
    """Images to predict. names, truths: of each image; left_out: of files without one.

    split: their pixels, prepared as the run's test images are.
    """

    source: str
    split: OpenedSplit
    names: Sequence[str]
    truths: Sequence[str | None]
    left_out: Sequence[tuple[str, str]] = ()


def opened(plan: Plan, checkpoints: CheckpointStore, *, data: Path) -> Reopened:
    """The run's best network. Raises WrongState for one that learnt without labels, and as `reopen` does."""
    if plan.objective.name != "classification":
        raise WrongState(
            f"{plan.name} learnt without labels ({plan.objective.name}), so its network names no class; fine-tune it "
            "with model.pretrained=run:ID"
        )
    return reopen(plan, checkpoints, data=data)


def predictions(reopened: Reopened, pictured: Pictured) -> Predictions:
    """What a network says of some images."""
    shares = [share for batch in _shares(reopened, pictured.split) for share in batch.tolist()]
    return Predictions(
        source=pictured.source,
        step=reopened.step,
        classes=reopened.state.data.names,
        images=tuple(
            Prediction(image=name, truth=truth, shares=tuple(share))
            for name, truth, share in zip(pictured.names, pictured.truths, shares, strict=True)
        ),
        left_out=tuple(pictured.left_out),
    )


def _shares(reopened: Reopened, split: OpenedSplit) -> Iterator[Tensor]:
    """Probabilities of batches of images, float32 (B, K)."""
    state = reopened.state
    model, size = state.judged.eval(), state.plan.image_shape
    with torch.inference_mode():
        for _, images, _ in evaluation_batches(split, batch=BATCH):
            yield F.softmax(model(resized(images, size)).float(), dim=1)


def images_of(
    reopened: Reopened, source: str, *, data: Path, say: Callable[[str], None]
) -> Pictured:
    """The images that `source` names, prepared for the network.

    source: an image file, a folder of them, `test`, `validation` or `train` of the run's own data, or a dataset by name. data:
    folder of the datasets. say: receives progress. Raises UnknownName for a source that is none of these, WrongState for
    channels that the network does not see, and DataUnavailable for a source without images.
    """
    own = reopened.state.data
    if source in SPLITS:
        return _of_split(source, getattr(own, source), own.names)
    path = Path(source).expanduser()
    if path.exists():
        return _of_files(path, reopened, say)
    if source not in catalogue.datasets():
        known = [*SPLITS, *catalogue.datasets()]
        raise UnknownName("file, folder, split or dataset", source, known)
    return _of_dataset(source, own, data, say)


def _of_split(source: str, split: OpenedSplit, names: Sequence[str]) -> Pictured:
    plain = replace(split, preparation=replace(split.preparation, augmentation=None))
    return Pictured(
        source=source,
        split=plain,
        names=[f"{source} {number}" for number in range(len(split))],
        truths=[names[label] for label in split.labels.tolist()],
    )


def _of_dataset(source: str, own: OpenedData, data: Path, say: Callable[[str], None]) -> Pictured:
    """The test images of another dataset; where its classes have names of the run's, they are the truth."""
    other = open_data(Data(dataset=source), folder=data, device="cpu", say=say)
    labels = [other.names[label] for label in other.test.labels.tolist()]
    return Pictured(
        source=f"test images of {source}",
        split=_as_own(other.test.images[:], own),
        names=[f"{source} {number}" for number in range(len(labels))],
        truths=[name if name in own.names else None for name in labels],
    )


def _of_files(path: Path, reopened: Reopened, say: Callable[[str], None]) -> Pictured:
    """Images of files; a folder with the name of a class says of what class the images in it are."""
    files = [path] if path.is_file() else _files(path)
    if not files:
        raise DataUnavailable(f"{path} has no image; give an image or a folder with some")
    own = reopened.state.data
    height, width = own.test.images.shape[-2:]
    frame = PixelFrame(height, width, reopened.state.plan.data.fit)
    pixels, names, truths, left_out = [], [], [], []
    for number, file in enumerate(files, 1):
        image, name = (
            decode(file, frame),
            str(file.relative_to(path)) if file != path else str(file),
        )
        if isinstance(image, Unreadable):
            left_out.append((name, image.reason))
            continue
        pixels.append(torch.tensor(image[1]))
        names.append(name)
        truths.append(_class_of(file, path, own.names))
        if number % 1000 == 0:
            say(f"read {number:,} of {len(files):,} images")
    if not pixels:
        name, reason = left_out[0]
        raise DataUnavailable(f"no image of {path} can be read; {name}: {reason}")
    split = _as_own(torch.stack(pixels), own)
    return Pictured(source=str(path), split=split, names=names, truths=truths, left_out=left_out)


def _files(folder: Path) -> list[Path]:
    """Image files in a folder and below it, in the order of their names, as those of a dataset: without hidden ones, and
    links are not followed.
    """
    files = sorted(
        each
        for each in folder.rglob("*")
        if each.suffix.lower() in suffixes()
        and not any(map(of_a_system, each.relative_to(folder).parts))
        and each.is_file()
        and not each.is_symlink()
    )
    if len(files) > MOST_FILES:
        raise DataUnavailable(
            f"{folder} has {len(files):,} images, and {MOST_FILES:,} are the most at once; give a part of it"
        )
    return files


def _class_of(file: Path, source: Path, names: Sequence[str]) -> str | None:
    """The class whose folder, the outermost below the source or that itself, an image lies in; None for none of the names."""
    above = source if file != source else file.parent
    folders = (*file.relative_to(above).parent.parts, above.resolve().name)
    return next((name for name in folders if name in names), None)


def _as_own(images: Tensor, own: OpenedData) -> OpenedSplit:
    """Images uint8 (B, C, S, S) with channels and side of the run's data, prepared as its test images."""
    channels, height, width = own.test.images.shape[1:]
    if images.shape[1] != channels:
        images = with_channels(images, channels)
    if images.shape[-2:] != (height, width):
        images = resized(images.float(), (height, width)).round().clamp(0, 255).to(torch.uint8)
    labels = torch.zeros(len(images), dtype=torch.int64)
    split: OpenedSplit = replace(own.test, images=images, labels=labels)
    return split


def with_channels(images: Tensor, channels: int) -> Tensor:
    """Colour as grey, or grey as colour. Raises WrongState for a network that sees something else."""
    if images.shape[1] == 3 and channels == 1:
        weights = torch.tensor(GREY).view(1, 3, 1, 1)
        return (images.float() * weights).sum(dim=1, keepdim=True).round().to(torch.uint8)
    if images.shape[1] == 1 and channels == 3:
        return images.expand(-1, 3, -1, -1).contiguous()
    raise WrongState(
        f"its network sees {plural(channels, 'channel')}, and these images have {images.shape[1]}; try test"
    )
