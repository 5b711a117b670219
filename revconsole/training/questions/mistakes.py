"""Mistakes: pictures of the test images that a run's best network calls otherwise than they are."""

from pathlib import Path

import torch

from revconsole.errors import WrongState
from revconsole.records.findings.mistakes import Mistakes
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.questions.predictions import images_of, opened, predictions
from revconsole.training.questions.samples import pictures

MOST = 200
"""Most mistakes that are drawn, the surest."""


def mistakes(plan: Plan, checkpoints: CheckpointStore, *, data: Path, side: int) -> Mistakes:
    """The mistakes on the run's test images, each at most `side` pixels wide; the caption says what it is and is called.

    data: folder of the datasets. Raises WrongState for points of the plane, and as `opened` does.
    """
    reopened = opened(plan, checkpoints, data=data)
    split = reopened.state.data.test
    if split.images.shape[-1] == 1:
        raise WrongState(
            "its data are points of the plane: their mistakes are in the decision boundary"
        )
    found = predictions(reopened, images_of(reopened, "test", data=data, say=lambda _: None))
    numbers = {each.image: number for number, each in enumerate(found.images)}
    drawn = found.wrong[:MOST]
    captions = []
    for each in drawn:
        called, share = each.called(found.classes)
        captions.append(f"{each.truth}→{called} {share:.0%}")
    chosen = torch.tensor([numbers[each.image] for each in drawn], dtype=torch.int64)
    images = split.images[chosen].float().div(255)
    return Mistakes(
        images=len(found.images),
        wrong=len(found.wrong),
        step=found.step,
        pictures=pictures(images, captions, side),
    )
