"""Inspection: position encodings and attention of a checkpoint's weights, on test images of the run.

Shapes: B images, N tokens of which R · C are patches in rows and columns, D width, S pixels of height and width.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import moved, resized
from revconsole.records.findings.inspection import Attended, AttentionRollout, Inspection, Positions
from revconsole.records.findings.samples import Picture
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.machine import devices
from revconsole.training.questions.attention import Attentions, rollout
from revconsole.training.questions.reopening import reopen
from revconsole.training.questions.samples import colours
from revconsole.training.setup.training_state import TrainingState


def inspect(plan: Plan, checkpoints: CheckpointStore, *, data: Path, images: int) -> Inspection:
    """Pass the first test image of each of the first `images` classes through the best epoch's weights.

    data: folder of the datasets. Raises as `reopen` does.
    """
    with devices.threads(plan.train.threads):
        reopened = reopen(plan, checkpoints, data=data)
        model = reopened.state.judged.eval()
        return Inspection(
            epoch=reopened.epoch,
            step=reopened.step,
            best=reopened.best,
            positions=positions(model),
            attention=attention(reopened.state, model, images),
        )


OBLONG = "its images are not square, and it does not say how its patches lie"


def positions(model: nn.Module) -> Positions | str:
    """The position encodings that a model adds to its tokens, or why there are none."""
    table = getattr(model, "pos_embed", None)
    if not isinstance(table, Tensor) or table.ndim != 3:
        return "it adds no position encodings to its tokens"
    rows, columns = grid = _grid(model, table.shape[1])
    if rows * columns < 2:
        return "it has one token"
    patches = table.detach()[0, table.shape[1] - rows * columns :]
    directions = F.normalize(patches, dim=-1)
    return Positions(
        kind="learned" if table.requires_grad else "fixed",
        grid=grid,
        table=patches.tolist(),
        similarity=(directions @ directions.T).tolist(),
    )


def attention(state: TrainingState, model: nn.Module, images: int) -> AttentionRollout | str:
    """The attention rollout of some test images, or why there is none."""
    split, names = state.data.test, state.data.names
    if split.images.shape[1] not in {1, 3}:
        return "its images are not pictures of one or three channels"
    chosen = _first_of_each_class(split.labels, images)
    pixels = split.images[chosen]
    inputs = resized(
        split.preparation.standardisation(moved(pixels, split.device)), state.plan.image_shape
    )
    rolled = attended(model, inputs)
    if isinstance(rolled, str):
        return rolled
    shares, predictions = rolled.shares, rolled.logits.argmax(dim=1)
    return AttentionRollout(
        of="the class token" if rolled.of_class else "the mean over all tokens",
        blocks=rolled.blocks,
        grid=(shares.shape[-2], shares.shape[-1]),
        images=tuple(
            Attended(
                picture=Picture(rows=colours(image), caption=names[label]),
                truth=names[label],
                called=names[prediction],
                shares=share.tolist(),
            )
            for image, label, prediction, share in zip(
                pixels.float().div(255).expand(-1, 3, -1, -1),
                split.labels[chosen].tolist(),
                predictions.tolist(),
                shares,
                strict=True,
            )
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """What a network looks at: shares (B, R, C) of the patches, 1 in sum; logits (B, K); blocks that were rolled out."""

    shares: Tensor
    logits: Tensor
    of_class: bool
    blocks: int


def attended(model: nn.Module, inputs: Tensor) -> Rolled | str:
    """The attention rollout of some inputs (B, C, S, S), or why there is none."""
    with torch.inference_mode(), Attentions() as attentions:
        logits = model(inputs)
    if problem := _no_rollout(attentions.weights, len(inputs)):
        return problem
    rolled = rollout(attentions.weights)
    tokens = rolled.shape[-1]
    rows, columns = _grid(model, tokens)
    if rows == columns and inputs.shape[-2] != inputs.shape[-1] and not _stated(model):
        return OBLONG
    of_class = getattr(model, "cls_token", None) is not None
    shares = (rolled[:, 0] if of_class else rolled.mean(dim=1))[:, tokens - rows * columns :]
    shares = shares / shares.sum(dim=-1, keepdim=True)
    return Rolled(
        shares=shares.reshape(-1, rows, columns),
        logits=logits,
        of_class=of_class,
        blocks=len(attentions.weights),
    )


def _no_rollout(weights: list[Tensor], images: int) -> str:
    """Why the attention cannot be rolled out; empty if it can."""
    if not weights:
        return "no softmax attention over the whole image was found in it"
    shapes = {tuple(matrix.shape[-2:]) for matrix in weights}
    if any(matrix.ndim != 4 or len(matrix) != images for matrix in weights):
        return "its attention looks at windows of the image, not at all of it"
    if len(shapes) > 1:
        return "the number of its tokens changes from block to block"
    ((rows, columns),) = shapes
    if rows != columns:
        return "its attention is not of tokens to themselves"
    return "" if math.isqrt(rows) > 1 else "it has one token"


def _stated(model: nn.Module) -> tuple[int, int] | None:
    """Rows and columns of patches, where a model says them."""
    stated = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    return (int(stated[0]), int(stated[1])) if stated else None


def _grid(model: nn.Module, tokens: int) -> tuple[int, int]:
    """Rows and columns of the patches, which are the last of the tokens: as the model says, or else of a square."""
    stated, side = _stated(model), math.isqrt(tokens)
    return stated if stated and stated[0] * stated[1] <= tokens else (side, side)


def _first_of_each_class(labels: Tensor, most: int) -> Tensor:
    """Indices of the first image of each class, for at most `most` classes, in class order."""
    classes = torch.unique(labels)[:most]
    return torch.stack([(labels == label).nonzero()[0, 0] for label in classes])
