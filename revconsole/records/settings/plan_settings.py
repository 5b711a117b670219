"""The settings of one run, every default resolved; what they ask of one another is checked by `Plan`."""

import math

from pydantic import Field

from revconsole.records.datasets import catalogue, sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.sections import (
    Backward,
    Data,
    Model,
    Objective,
    Optimizer,
    Schedule,
    Scheme,
    Section,
    Train,
)
from revconsole.records.sections.model import Svm, Vit
from revconsole.records.sections.objective import ClassificationSection
from revconsole.records.sections.optimizer import AdamW
from revconsole.records.sections.schedule import Cosine
from revconsole.records.sections.scheme import ResidualSection
from revconsole.records.sections.trial import Trial


class PlanSettings(Section):
    """What to train on which data, from which seed, and what the run is called."""

    name: str = Field(min_length=1, max_length=120)
    """Name of the run; not unique."""
    profile: str = Field(default="", max_length=120)
    """Profile that the run was made from."""
    study: str = Field(default="", max_length=120)
    """Study that the run belongs to."""
    arm: str = Field(default="", max_length=120)
    """Arm of the study; its runs differ only in the seed."""
    quick: bool = False
    """Whether the run belongs to the study's short form, whose results differ from the full form's."""
    seed: int = Field(default=0, ge=0)
    """Seed of every random draw except the split."""
    backward: Backward = "stored"
    """Where the backward pass gets its activations: kept, recomputed, reconstructed."""
    model: Model = Vit()
    scheme: Scheme = ResidualSection()
    data: Data = Data()
    train: Train = Train()
    optimizer: Optimizer = AdamW()
    schedule: Schedule = Cosine()
    objective: Objective = ClassificationSection()
    lengthened: list[int] | None = None
    """Earlier lengths of a run that `resume` lengthened, in steps if the run counts steps, else in epochs."""
    data_fingerprint: str | None = None
    """SHA-256 of the images, labels and split; filled in when the run first starts."""
    trial: Trial | None = None
    """The search that drew the run's settings, and when it may be stopped early; None for any other run."""
    folder_images: int | None = Field(default=None, ge=1)
    """Images per epoch of a folder, counted when a run with a length in steps was planned."""

    @property
    def facts(self) -> DatasetFacts:
        """Facts of the dataset (classes, channels, original size). Raises DataUnavailable if its folder is missing."""
        return sources.facts_of(self.data)

    @property
    def image_size(self) -> int:
        """Side of the images the model sees, in pixels; their height if they are not square."""
        return sources.image_size(self.data)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the images the model sees, in pixels."""
        return sources.image_shape(self.data)

    @property
    def fitted(self) -> bool:
        """Whether the model is fitted at once, a support vector machine: it has no gradient, loss, parameters or blocks."""
        return isinstance(self.model, Svm)

    @property
    def trained_images(self) -> int:
        """Training images of an epoch, without those held out; 0 for a folder whose images have not been counted."""
        if self.folder_images is not None:
            return self.folder_images
        images = min(self.data.train_limit or self.shipped_images, self.shipped_images)
        return images - self.data.held_out(images)

    @property
    def images_of_batch(self) -> int:
        """Images of the largest batch: `train.batch`, or all training images where they are fewer."""
        return min(self.train.batch, self.trained_images or self.train.batch)

    @property
    def images_at_once(self) -> int:
        """Images of the largest micro-batch."""
        return min(self.train.micro_batch, self.images_of_batch)

    @property
    def parts_of_batch(self) -> int:
        """Micro-batches of the largest batch."""
        return math.ceil(self.images_of_batch / self.train.micro_batch)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch; 0 for a folder whose images have not been counted."""
        return self.steps_of(self.trained_images)

    def steps_of(self, images: int) -> int:
        """Optimiser steps of an epoch of so many images."""
        filled = 0 if self.data.drop_last else self.train.batch - 1
        return (images + filled) // self.train.batch

    @property
    def epochs(self) -> int:
        """Number of epochs that the run begins; a support vector machine is fitted in one."""
        if self.fitted:
            return 1
        if self.train.steps is None:
            return self.train.epochs
        return math.ceil(self.train.steps / max(1, self.steps_per_epoch))

    @property
    def shipped(self) -> DatasetFacts:
        """Facts of the dataset, or of the source of patches, as shipped; a folder has 0 images, because no file is read."""
        return catalogue.dataset(self.data.source or self.data.dataset)

    @property
    def shipped_images(self) -> int:
        """Training images of the dataset as shipped; 0 for a folder."""
        return self.shipped.train_images
