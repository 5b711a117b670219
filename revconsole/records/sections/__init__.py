"""Sections of a profile, one class each, a file per key of the profile: everything a user can set, its range, its default, its meaning.

The string under each field is its documentation: `--help`, the launch form and `revconsole show` print it.
Sections with several kinds (`model`, `scheme`, `optimizer`, `schedule`, `objective`) are told apart by one key, so a
setting exists only where it means something: there is no gamma beside `name = "residual"`.
"""

from typing import Annotated, Literal

from pydantic import Field

from revconsole.records.sections.data import Data
from revconsole.records.sections.model import (
    Cct,
    Cnn,
    Conformer,
    Mlp,
    Python,
    Resnet,
    Svm,
    Swin,
    Timm,
    Uniformer,
    Vit,
)
from revconsole.records.sections.objective import Classification, Criterion, Dino, Mae
from revconsole.records.sections.optimizer import Adam, AdamW, Sgd
from revconsole.records.sections.optimizer import Timm as TimmOptimizer
from revconsole.records.sections.schedule import Constant, Cosine, Exponential, OneCycle, Step
from revconsole.records.sections.scheme import (
    Additive,
    Bdia,
    Coefficients,
    Hamiltonian,
    Leapfrog,
    Midpoint,
    MidpointA,
    Momentum,
    Residual,
)
from revconsole.records.sections.section import Section
from revconsole.records.sections.train import Train

Backward = Literal["stored", "checkpointed", "reversible", "auto"]
Model = Annotated[
    Vit | Timm | Cct | Conformer | Uniformer | Swin | Resnet | Cnn | Mlp | Svm | Python,
    Field(discriminator="architecture"),
]
Scheme = Annotated[
    Residual
    | Additive
    | Momentum
    | Bdia
    | Midpoint
    | Leapfrog
    | Hamiltonian
    | MidpointA
    | Coefficients,
    Field(discriminator="name"),
]
Optimizer = Annotated[AdamW | Adam | Sgd | TimmOptimizer, Field(discriminator="name")]
Schedule = Annotated[Constant | Cosine | Step | Exponential | OneCycle, Field(discriminator="name")]
Objective = Annotated[Classification | Mae | Dino, Field(discriminator="name")]

KINDS: dict[str, tuple[str, dict[str, type[Section]]]] = {
    "model": (
        "architecture",
        {
            "vit": Vit,
            "timm": Timm,
            "cct": Cct,
            "conformer": Conformer,
            "uniformer": Uniformer,
            "swin": Swin,
            "resnet": Resnet,
            "cnn": Cnn,
            "mlp": Mlp,
            "svm": Svm,
            "python": Python,
        },
    ),
    "scheme": (
        "name",
        {
            "residual": Residual,
            "additive": Additive,
            "momentum": Momentum,
            "bdia": Bdia,
            "midpoint": Midpoint,
            "leapfrog": Leapfrog,
            "hamiltonian": Hamiltonian,
            "midpoint_a": MidpointA,
            "coefficients": Coefficients,
        },
    ),
    "optimizer": ("name", {"adamw": AdamW, "adam": Adam, "sgd": Sgd, "timm": TimmOptimizer}),
    "schedule": (
        "name",
        {
            "constant": Constant,
            "cosine": Cosine,
            "step": Step,
            "exponential": Exponential,
            "one-cycle": OneCycle,
        },
    ),
    "objective": ("name", {"classification": Classification, "mae": Mae, "dino": Dino}),
}
"""For each section with several kinds: the key that tells them apart, and the kinds."""

__all__ = [
    "KINDS",
    "Adam",
    "AdamW",
    "Additive",
    "Backward",
    "Bdia",
    "Cct",
    "Classification",
    "Cnn",
    "Coefficients",
    "Conformer",
    "Constant",
    "Cosine",
    "Criterion",
    "Data",
    "Dino",
    "Exponential",
    "Hamiltonian",
    "Leapfrog",
    "Mae",
    "Midpoint",
    "MidpointA",
    "Mlp",
    "Model",
    "Momentum",
    "Objective",
    "OneCycle",
    "Optimizer",
    "Python",
    "Residual",
    "Resnet",
    "Schedule",
    "Scheme",
    "Section",
    "Sgd",
    "Step",
    "Svm",
    "Swin",
    "Timm",
    "TimmOptimizer",
    "Train",
    "Uniformer",
    "Vit",
]
