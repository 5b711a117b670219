"""What the settings of the data ask of one another."""

from revconsole.errors import nearest
from revconsole.records import catalogue, sources
from revconsole.records.rule import Rule
from revconsole.records.sections import Data


def check_data(data: Data) -> None:
    """No file is looked at: a plan is also read back where its data is not."""
    if sources.FOLDER in {data.dataset, data.source}:
        if data.folder is None:
            raise Rule("data.folder", "say where the images are, e.g. data.folder=~/photographs")
    elif data.folder is not None:
        raise Rule("data.folder", "only imagefolder reads a folder; add data.dataset=imagefolder")
    if data.dataset == sources.FOLDER and data.image_size is None:
        raise Rule(
            "data.image_size",
            "images of a folder may differ in size; say what side to bring them to, e.g. data.image_size=64",
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
    if data.crop is not None:
        _check_crop(data.crop, data)
    if data.random_resized_crop is not None:
        _check_pieces(data.random_resized_crop, data)


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
    known = [
        name
        for name, facts in catalogue.datasets().items()
        if facts.size > 1 or name == sources.FOLDER
    ]
    if data.source is None:
        raise Rule(
            "data.source", f"say what to cut the patches from; there are: {', '.join(known)}"
        )
    if data.source not in known:
        raise Rule(
            "data.source",
            f"there is no set of images {data.source!r}{nearest(data.source, known)}",
        )
    size, needed = sources.source_size(data), sources.extent(data)
    if not size:
        raise Rule(
            "data.source_size",
            "images of a folder may differ in size; say what side to bring them to before they are cut, "
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
