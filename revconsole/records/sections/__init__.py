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
    TimmModel,
    Uniformer,
    Vit,
)
from revconsole.records.sections.objective import ClassificationSection, Criterion, Dino, Mae
from revconsole.records.sections.optimizer import Adam, AdamW, Sgd, TimmOptimizer
from revconsole.records.sections.schedule import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    StepSchedule,
)
from revconsole.records.sections.scheme import (
    AdditiveSection,
    BdiaSection,
    CoefficientsSection,
    HamiltonianSection,
    LeapfrogSection,
    MidpointASection,
    MidpointSection,
    MomentumSection,
    ResidualSection,
)
from revconsole.records.sections.section import Section
from revconsole.records.sections.train import Train

Backward = Literal["stored", "checkpointed", "reversible", "auto"]
Model = Annotated[
    Vit | TimmModel | Cct | Conformer | Uniformer | Swin | Resnet | Cnn | Mlp | Svm | Python,
    Field(discriminator="architecture"),
]
Scheme = Annotated[
    ResidualSection
    | AdditiveSection
    | MomentumSection
    | BdiaSection
    | MidpointSection
    | LeapfrogSection
    | HamiltonianSection
    | MidpointASection
    | CoefficientsSection,
    Field(discriminator="name"),
]
Optimizer = Annotated[AdamW | Adam | Sgd | TimmOptimizer, Field(discriminator="name")]
Schedule = Annotated[
    Constant | Cosine | StepSchedule | Exponential | OneCycle, Field(discriminator="name")
]
Objective = Annotated[ClassificationSection | Mae | Dino, Field(discriminator="name")]

KINDS: dict[str, tuple[str, dict[str, type[Section]]]] = {
    "model": (
        "architecture",
        {
            "vit": Vit,
            "timm": TimmModel,
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
            "residual": ResidualSection,
            "additive": AdditiveSection,
            "momentum": MomentumSection,
            "bdia": BdiaSection,
            "midpoint": MidpointSection,
            "leapfrog": LeapfrogSection,
            "hamiltonian": HamiltonianSection,
            "midpoint_a": MidpointASection,
            "coefficients": CoefficientsSection,
        },
    ),
    "optimizer": ("name", {"adamw": AdamW, "adam": Adam, "sgd": Sgd, "timm": TimmOptimizer}),
    "schedule": (
        "name",
        {
            "constant": Constant,
            "cosine": Cosine,
            "step": StepSchedule,
            "exponential": Exponential,
            "one-cycle": OneCycle,
        },
    ),
    "objective": ("name", {"classification": ClassificationSection, "mae": Mae, "dino": Dino}),
}
"""For each section with several kinds: the key that tells them apart, and the kinds."""

__all__ = [
    "KINDS",
    "Adam",
    "AdamW",
    "AdditiveSection",
    "Backward",
    "BdiaSection",
    "Cct",
    "ClassificationSection",
    "Cnn",
    "CoefficientsSection",
    "Conformer",
    "Constant",
    "Cosine",
    "Criterion",
    "Data",
    "Dino",
    "Exponential",
    "HamiltonianSection",
    "LeapfrogSection",
    "Mae",
    "MidpointASection",
    "MidpointSection",
    "Mlp",
    "Model",
    "MomentumSection",
    "Objective",
    "OneCycle",
    "Optimizer",
    "Python",
    "ResidualSection",
    "Resnet",
    "Schedule",
    "Scheme",
    "Section",
    "Sgd",
    "StepSchedule",
    "Svm",
    "Swin",
    "TimmModel",
    "TimmOptimizer",
    "Train",
    "Uniformer",
    "Vit",
]
