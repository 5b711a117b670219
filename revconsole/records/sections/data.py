"""The section of the images."""

from typing import Literal

from pydantic import Field

from revconsole.records.sections.section import Section


class Data(Section):
    """Which images, how they are split, and what is done to them."""

    dataset: str = "digits"
    """Name of the dataset; `revconsole data` lists them."""
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the training images held out to choose the best epoch."""
    split_seed: int = Field(default=0, ge=0)
    """Seed of that split, apart from the run's seed: all seeds of a study share one split."""
    train_limit: int | None = Field(default=None, ge=1)
    """Take this many of the training images only, held-out ones included; for quick runs."""
    augment: Literal["none", "crop", "crop-flip"] = "none"
    """Per-sample random augmentation of the training images."""
    crop_padding: int = Field(default=4, ge=1, le=64)
    """Pixels of border added before a random crop."""
    standardise: bool = True
    """Subtract the mean and divide by the deviation of each channel of the training split."""
    image_size: int | None = Field(default=None, ge=4, le=1024)
    """Resize the images to this side, in pixels; unset keeps the dataset's own."""
    fingerprint: str | None = Field(default=None, min_length=12, max_length=64)
    """Refuse to train unless the data's fingerprint starts so: two people, the same images."""
