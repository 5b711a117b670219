"""Subject: the network of a run that is exported, and what it says of some test images.

Shapes: B images, C channels, S pixels of height and width, K classes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from revconsole.data import evaluation_batches, middle, resized
from revconsole.errors import NotExported
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.questions.reopening import reopen
from revconsole.training.setup.training_state import TrainingState

COMPARED = 32
"""Test images, at most, on which what was written is compared with the run's own network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A run's judged network in evaluation mode on the CPU.

    pixels: uint8 (B, C, S, S), test images after the middle crop. inputs: what the network is given of them, float32.
    logits: what it answers, float32 (B, K).
    """

    plan: Plan
    state: TrainingState
    step: int
    model: nn.Module
    pixels: Tensor
    inputs: Tensor
    logits: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.state.data.names


def subject_of(plan: Plan, checkpoints: CheckpointStore, *, data: Path) -> Subject:
    """The network of the best epoch. data: folder of the datasets.

    Raises NotExported for a run without classes, and as `reopen` does.
    """
    if plan.objective.name != "classification":
        raise NotExported(
            f"it learnt without labels ({plan.objective.name}), so its network names no class; fine-tune it "
            "with model.pretrained=run:ID, and export that run"
        )
    reopened = reopen(plan, checkpoints, data=data)
    state = reopened.state
    model, split = state.judged.eval(), state.data.test
    _, inputs, _ = next(evaluation_batches(split, batch=COMPARED))
    inputs = resized(inputs, plan.image_shape)
    with torch.inference_mode():
        logits = model(inputs).float()
    return Subject(
        plan=plan,
        state=state,
        step=reopened.step,
        model=model,
        pixels=middle(split.images[:COMPARED], split.preparation.crop),
        inputs=inputs.clone(),
        logits=logits.clone(),
    )
