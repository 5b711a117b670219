"""Rules between the data settings, and between them and the images."""

from pathlib import Path

from revconsole.errors import ProfileError, nearest
from revconsole.records.datasets import catalogue, sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.datasets.folder import no_folder
from revconsole.records.sections import Data
from revconsole.records.sections.rule import Rule

OF_PICTURES = frozenset(
    {
        "random_resized_crop", "flip", "rotation", "rand_augment", "colour_jitter", "blur", "erasing",
    }
)  # fmt: skip
OF_COLOURS = frozenset({"rand_augment", "colour_jitter"})
MOST_WHITENED = 4096
"""Most values per image for zca; its eigen-decomposition costs their cube, a minute at this size."""
USUAL_SHARE = Data.model_fields["validation"].default


def check_data(data: Data) -> None:
    """Raise Rule for the first violated rule. Reads no file, because plans are also read where their data is missing."""
    if sources.FOLDER in {data.dataset, data.source}:
        if data.folder is None:
            raise Rule("data.folder", "say where the images are, e.g. data.folder=~/photographs")
    elif data.folder is not None:
        raise Rule("data.folder", "only imagefolder reads a folder; add data.dataset=imagefolder")
    if data.dataset == sources.FOLDER and data.image_size is None:
        _require_folder(data)
        raise Rule(
            "data.image_size",
            "images of a folder may differ in size; set the side to scale them to, e.g. data.image_size=64",
        )
    if data.dataset == sources.PATCHES:
        _check_patches(data)
    elif data.source is not None:
        raise Rule(
            "data.source", "only context_patches has a source; add data.dataset=context_patches"
        )
    elif data.views != 1:
        raise Rule(
            "data.views", "only context_patches has two views; add data.dataset=context_patches"
        )
    _check_width(data)
    if data.crop is not None:
        _check_crop(data.crop, data)
    if data.random_resized_crop is not None:
        _check_pieces(data.random_resized_crop, data)


def _require_folder(data: Data) -> None:
    """Raise Rule if the folder does not exist: checked before any rule about its images."""
    if data.folder is not None and not Path(data.folder).is_dir():
        raise Rule("data.folder", no_folder(Path(data.folder)))


def _check_width(data: Data) -> None:
    """Refuse a width without a height, and beside what makes squares."""
    if data.image_width is None:
        return
    if data.image_size is None:
        raise Rule(
            "data.image_width", "is of images of another height; add data.image_size, the height"
        )
    if data.dataset == sources.PATCHES:
        raise Rule("data.image_width", "context_patches are square; leave it out")
    for name in ("crop", "random_resized_crop"):
        if getattr(data, name) is not None:
            raise Rule(
                f"data.{name}",
                "cuts squares, and the images are to be wider or higher (data.image_width); leave one out",
            )


def _check_crop(side: int, data: Data) -> None:
    whole = sources.uncropped_size(data)
    if side > whole:
        raise Rule(
            "data.crop",
            f"images of {data.dataset} have {whole} pixels a side, and no piece of {side}; {whole} is the most",
        )
    if data.image_size is not None and data.dataset != sources.FOLDER:
        raise Rule(
            "data.image_size",
            f"the images are cropped to {side} pixels, which is what the model sees; leave out image_size or crop",
        )


def _check_pieces(least: float, data: Data) -> None:
    if data.augment != "none":
        raise Rule(
            "data.augment",
            f"random_resized_crop crops already, and {data.augment} would again; leave one out "
            "(data.flip = true mirrors)",
        )
    if least > data.crop_most:
        raise Rule(
            "data.random_resized_crop",
            f"at least {least:g} of the area and at most {data.crop_most:g} (data.crop_most) leave nothing between",
        )


def _check_patches(data: Data) -> None:
    sources_with_images = [
        name
        for name, facts in catalogue.datasets().items()
        if facts.size > 1 or name == sources.FOLDER
    ]
    if data.source is None:
        raise Rule(
            "data.source",
            f"say what to cut the patches from; there are: {', '.join(sources_with_images)}",
        )
    if data.source not in sources_with_images:
        raise Rule(
            "data.source",
            f"there is no image dataset {data.source!r}{nearest(data.source, sources_with_images)}",
        )
    size, needed = sources.source_size(data), sources.extent(data)
    if not size:
        _require_folder(data)
        raise Rule(
            "data.source_size",
            "images of a folder may differ in size; set the side to scale them to before they are cut, "
            "e.g. data.source_size=96",
        )
    if needed > size:
        fitting = (size - 2 * data.gap - 2 * data.jitter) // 3
        raise Rule(
            "data.patch_side",
            f"patches of {data.patch_side} pixels with gap {data.gap} and jitter {data.jitter} take {needed} "
            f"pixels each way, and images of {data.source} have {size}; "
            + (f"{fitting} is the most" if fitting > 1 else "lower data.gap or data.jitter"),
        )


def refuse_nonsense(settings: Data, facts: DatasetFacts) -> None:
    """Raise ProfileError for more images than exist, or for an empty split. facts: of the images; of a folder, as counted."""
    limit = settings.train_limit
    if limit is not None and not 2 <= limit <= facts.train_images:
        raise ProfileError(
            settings.dataset,
            "data.train_limit",
            f"{limit:,} is out of range; the dataset has {facts.train_images:,} training images, "
            f"of which at least one trains and one validates",
        )
    if settings.test_limit is not None and settings.test_limit > facts.test_images:
        raise ProfileError(
            settings.dataset,
            "data.test_limit",
            f"{settings.test_limit:,} is out of range; the dataset has {facts.test_images:,} test images",
        )
    _refuse_empty_split(settings, limit or facts.train_images)
    _refuse_unsuitable(settings, facts)


def _refuse_empty_split(settings: Data, total: int) -> None:
    """Raise ProfileError for an empty split; it names `data.train_limit` if a larger limit would solve it."""
    held_out = settings.held_out(total)
    if 0 < held_out < total:
        return
    key, share = "validation", settings.validation
    remedy = f"{USUAL_SHARE:g} is usual" if share != USUAL_SHARE else "there are too few images"
    if settings.train_limit is not None:
        enough = next((n for n in range(2, 1000) if 0 < settings.held_out(n) < n), None)
        if enough is not None:
            key, remedy = "train_limit", f"take {enough} images or more"
    what = "validate" if held_out <= 0 else "train"
    raise ProfileError(
        settings.dataset,
        f"data.{key}",
        f"a fraction of {share:g} (data.validation) holds out {held_out:,} of {total:,} training images and leaves "
        f"none to {what} on; {remedy}",
    )


def _refuse_unsuitable(settings: Data, facts: DatasetFacts) -> None:
    """Raise ProfileError for augmentation or standardisation that does not suit images of this shape."""

    def refusal(name: str, sentence: str) -> ProfileError:
        return ProfileError(settings.dataset, f"data.{name}", sentence)

    width = settings.image_width if settings.dataset == sources.FOLDER else None
    if settings.augment != "none" and not 0 < settings.crop_padding < facts.size:
        raise refusal(
            "crop_padding",
            f"{settings.crop_padding} pixels do not suit images of {facts.size} pixels; "
            f"an eighth, {max(1, facts.size // 8)}, is usual",
        )
    side = settings.crop or facts.size
    values = facts.channels * side * (width or side)
    if settings.standardise == "zca" and values > MOST_WHITENED:
        raise refusal(
            "standardise",
            f"zca decorrelates every value of an image with every other, and {values:,} of them are too many "
            f"(the limit is {MOST_WHITENED:,}); use per-channel or per-pixel",
        )
    for name in settings.augmentations:
        if name in OF_PICTURES and facts.size == 1:
            raise refusal(name, f"{settings.dataset} has points, not pictures; leave it out")
        if name in OF_COLOURS and facts.channels not in {1, 3}:
            raise refusal(
                name,
                f"is for grey or colour images, and those of {settings.dataset} have "
                f"{facts.channels} channels; leave it out",
            )
