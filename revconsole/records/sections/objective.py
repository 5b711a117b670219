"""Sections of the objectives, which define what a run minimises."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from revconsole.records.criterion import VALIDATION_ACCURACY, Criterion
from revconsole.records.sections.section import Section


class ClassificationSection(Section):
    """Tell the classes apart: cross-entropy of the labels."""

    best: ClassVar[Criterion] = VALIDATION_ACCURACY
    name: Literal["classification"] = "classification"


class Mae(Section):
    """Masked autoencoder (He et al. 2022): paint hidden patches from the visible ones; without labels, for vit."""

    best: ClassVar[Criterion] = Criterion(metric="validation_loss", higher=False)
    name: Literal["mae"] = "mae"
    mask_ratio: float = Field(default=0.75, gt=0, lt=1)
    """Share of the patches that are hidden; the encoder sees the others only."""
    decoder_dim: int = Field(default=64, ge=4, le=4096)
    """Width of a token in the decoder; a multiple of 4 and of decoder_heads."""
    decoder_depth: int = Field(default=2, ge=1, le=64)
    """Blocks of the decoder, which is thrown away afterwards."""
    decoder_heads: int = Field(default=4, ge=1, le=64)
    """Attention heads per block of the decoder."""
    normalise: bool = True
    """Paint each patch with its own mean 0 and deviation 1, which the paper found to learn better features."""


class Dino(Section):
    """Self-distillation (Caron et al. 2021): a student agrees with its own moving average; without labels, for vit."""

    best: ClassVar[Criterion] = Criterion(metric="knn_accuracy", higher=True)
    name: Literal["dino"] = "dino"
    output: int = Field(default=1024, ge=2, le=131_072)
    """Numbers that the projection head puts out, between which student and teacher distribute themselves."""
    hidden: int = Field(default=512, ge=1, le=65_536)
    """Width of the two hidden layers of the projection head."""
    bottleneck: int = Field(default=128, ge=1, le=65_536)
    """Width in front of the last, weight-normed layer."""
    momentum: float = Field(default=0.996, ge=0, le=1)
    """Momentum of the teacher's weights at the first step; rises to 1 along half a cosine."""
    centre_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of the mean of the teacher's outputs, which is subtracted from them so that no output wins for every image."""
    student_temperature: float = Field(default=0.1, gt=0, le=10)
    """Divides the student's outputs."""
    teacher_temperature: float = Field(default=0.04, gt=0, le=10)
    """Divides the teacher's outputs after the warm-up; lower is sharper."""
    warmup_temperature: float = Field(default=0.04, gt=0, le=10)
    """Divides the teacher's outputs at the first step."""
    temperature_warmup: float = Field(default=0.3, ge=0, le=1)
    """Share of the run over which the teacher's temperature goes from the one to the other."""
    local_crops: int = Field(default=4, ge=0, le=32)
    """Small crops of each image for the student, beside the two large ones that both see."""
    local_size: int | None = Field(default=None, ge=1, le=1024)
    """Side of a small crop in pixels, a multiple of model.patch; unset takes half the image or the next that fits."""
    global_scale: float = Field(default=0.4, gt=0, le=1)
    """Least share of the image in a large crop, and most in a small one."""
    local_scale: float = Field(default=0.05, gt=0, le=1)
    """Least share of the image in a small crop."""


Objective = Annotated[
    ClassificationSection
    | Mae
    | Dino,
    Field(discriminator="name"),
]  # fmt: skip
