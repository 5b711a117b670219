"""Section of the images: dataset, split, augmentation, standardisation."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from revconsole.records.sections.section import Section

AUGMENTATIONS = (
    "random_resized_crop", "crop", "augment", "flip", "rotation", "rand_augment", "colour_jitter", "blur",
    "erasing", "mixup", "cutmix", "repeats",
)  # fmt: skip
"""Settings that change training images at random, in the order in which they apply."""

Links = Literal["inside", "follow"]
"""Which symbolic links of a folder are followed."""


class Data(Section):
    """The images of a run, how they are split, and how they are prepared."""

    dataset: str = Field(default="digits", examples=["digits", "cifar10", "imagefolder"])
    """Name of the dataset; `revconsole data` lists them."""
    folder: str | None = Field(default=None, min_length=1, examples=["~/photos"])
    """With imagefolder: folder of the images; kept as an absolute path."""
    labels: str | None = Field(default=None, min_length=1, examples=["labels.csv"])
    """With imagefolder: file with the class of each image (CSV, TSV or `NAME CLASS`), a path within the folder; unset: a folder for each class."""
    image_column: str | None = Field(default=None, min_length=1, examples=["file_name"])
    """With labels, or tables in parquet or Arrow: column with the images, or their names; unset: found by its usual names."""
    label_column: str | None = Field(default=None, min_length=1, examples=["breed"])
    """With labels, or tables in parquet or Arrow: column with the classes; unset: found by its usual names."""
    fit: Literal["crop", "squash", "letterbox"] = "crop"
    """With imagefolder: how pictures that are not square become so: cut to their middle, squashed, or whole between black bars."""
    links: Links = "inside"
    """With imagefolder: whether symbolic links to folders, and to files outside the folder, are refused or followed."""
    on_bad_image: Literal["skip", "fail"] = "fail"
    """With imagefolder: whether an unreadable image ends the run or is skipped and reported; a disk error always ends it."""
    source: str | None = Field(default=None, min_length=1, examples=["cifar10"])
    """With context_patches: dataset that patches are cut from."""
    source_size: int | None = Field(default=None, ge=4, le=4096)
    """With context_patches from imagefolder: side to which its images are resized first, in pixels."""
    patch_side: int = Field(default=8, ge=2, le=1024)
    """With context_patches: side of a patch, in pixels."""
    gap: int = Field(default=2, ge=0, le=1024)
    """With context_patches: pixels between two patches; without a gap, their edges reveal the answer."""
    jitter: int = Field(default=1, ge=0, le=1024)
    """With context_patches: largest shift of each patch in each direction, in pixels."""
    views: Literal[1, 2] = 1
    """With context_patches: 1 stacks both patches as channels; 2 passes each through one shared network, with a head
    over both.
    """
    cut_seed: int = Field(default=0, ge=0)
    """With context_patches: seed of the cuts, independent of the run's seed; the same source and seed give the same patches."""
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the training images held out to choose the best epoch."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of that split, apart from the run's seed: all seeds of a study share one split."""
    train_limit: int | None = Field(default=None, ge=1)
    """Take this many of the training images only, held-out ones included; for quick runs."""
    test_limit: int | None = Field(default=None, ge=1)
    """Test on this many of the test images only, every class in proportion; for quick runs."""
    augment: Literal["none", "crop", "crop-flip"] = "none"
    """Per-sample random augmentation of the training images."""
    crop_padding: int = Field(default=4, ge=1, le=64)
    """Pixels of border added before a random crop."""
    crop: int | None = Field(default=None, ge=4, le=1024)
    """Train on random pieces of this side, in pixels, and judge by the middle ones; unset keeps images whole."""
    random_resized_crop: float | None = Field(default=None, gt=0, le=1)
    """Train on a random piece of each image, at least this share of its area, scaled up; 0.08 is usual on ImageNet."""
    crop_most: float = Field(default=1.0, gt=0, le=1)
    """With random_resized_crop: the largest share of the area."""
    crop_ratio: float = Field(default=4 / 3, ge=1, le=16)
    """With random_resized_crop: pieces are up to so many times as wide as high, or as high as wide."""
    flip: bool = False
    """Mirror every other training image left to right; part of crop-flip, too."""
    rotation: float = Field(default=0.0, ge=0, le=180)
    """Rotate each training image by up to so many degrees either way; 0 does not."""
    colour_jitter: float = Field(default=0.0, ge=0, le=1)
    """Scale brightness, contrast and saturation of each training image by up to this share; 0 does not."""
    blur: float = Field(default=0.0, ge=0, le=32)
    """Blur each training image by a Gaussian of up to so many pixels' deviation; 0 does not."""
    rand_augment: int | None = Field(default=None, ge=0, le=30)
    """Magnitude of RandAugment, two random operations on each training image; unset does without."""
    erasing: float = Field(default=0.0, ge=0, le=1)
    """Probability that a random rectangle of a training image becomes zero, the mean once standardised; 0 erases none."""
    mixup: float = Field(default=0.0, ge=0, le=100)
    """Alpha of mixup, which blends training images and their labels in pairs; 0 does not."""
    cutmix: float = Field(default=0.0, ge=0, le=100)
    """Alpha of cutmix, which pastes a part of one training image into another; beside mixup, every other batch."""
    repeats: int = Field(default=1, ge=1, le=64)
    """Show each training image so many times in its batch, augmented each time anew; epochs keep their steps."""
    standardise: Literal["none", "per-channel", "per-pixel", "zca"] = "per-channel"
    """Mean 0 and deviation 1 per channel or per pixel (a pixel's deviation counts as at least a tenth of its channel's), or decorrelated pixels; fitted to the training split."""
    zca_eps: float = Field(default=0.1, gt=0)
    """With zca: added to each variance, of pixels in [0, 1]; less decorrelates further, noise included."""
    image_size: int | None = Field(default=None, ge=4, le=1024)
    """Resize the images to this side, in pixels; unset keeps the dataset's own."""
    image_width: int | None = Field(default=None, ge=4, le=4096)
    """Width of the images where it is not their height, which is then image_size; for vit, resnet, cnn and mlp."""
    drop_last: bool = False
    """Leave out the images that do not fill the last batch of an epoch, others each epoch; unset trains on them, too."""
    prefetch: int | None = Field(default=None, ge=0, le=64)
    """Training batches made ahead in a thread, the same ones: 0 makes each when needed, unset decides by their cost."""
    place: Literal["auto", "device", "host", "disk"] = "auto"
    """Where the images lie: on the GPU that trains, in the memory of the host, or (of a folder) decoded in a file on the disk, moved batch by batch; auto: on the GPU, if they take a quarter of its free memory or less, and on the disk, if they would fill the host's. The batches are the same."""
    fingerprint: str | None = Field(
        default=None, min_length=12, max_length=64, examples=["84c13c91b242"]
    )
    """Refuse to train unless the fingerprint of the data starts with this text, so that two people use the same images."""

    @field_validator("image_column", "label_column", mode="before")
    @classmethod
    def _named(cls, column: object) -> object:
        """The number of a column, from 1, as text."""
        return str(column) if type(column) is int else column

    @field_validator("labels")
    @classmethod
    def _expanded(cls, labels: str | None) -> str | None:
        """A path that stays within the folder, so that it moves with it, unless it is absolute."""
        return None if labels is None else str(Path(labels).expanduser())

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        """An absolute path, because the run may continue in a process with another working folder."""
        return None if folder is None else str(Path(folder).expanduser().absolute())

    def held_out(self, images: int) -> int:
        """Number of validation images among `images` training images."""
        return round(self.validation * images)

    @property
    def mirrors(self) -> bool:
        """Whether training images are mirrored at random."""
        return self.flip or self.augment == "crop-flip"

    @property
    def mixes(self) -> bool:
        """Whether training images and their labels are mixed."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def augmentations(self) -> dict[str, str | int | float | bool]:
        """The active augmentations with their settings; empty if there are none."""
        done = {name: getattr(self, name) for name in AUGMENTATIONS}
        return {n: v for n, v in done.items() if v != type(self).model_fields[n].default}
