"""Attention picture: what a network looks at, beside the images, as one PNG.

Two rows: the images as it sees them, and below each the same with dark patches that it hardly looks at.
Shapes: B images, C channels, S pixels of height and width.
"""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import evaluation_batches, resized
from revconsole.errors import WrongState
from revconsole.training.questions.inspection import attended
from revconsole.training.questions.predictions import Pictured
from revconsole.training.questions.reopening import Reopened

MOST_IMAGES = 8
SIDE = 192
"""Pixels of an image's side in the picture, at least."""
FRAME = 2
"""Grey pixels around each image."""
DARKEST = 0.15
"""Brightness that is left of a patch without attention."""


def draw(reopened: Reopened, pictured: Pictured, path: Path) -> None:
    """Write the picture of the first images. Raises WrongState if the network has no attention to roll out."""
    state = reopened.state
    _, inputs, _ = next(evaluation_batches(pictured.split, batch=MOST_IMAGES))
    paint(state.judged.eval(), resized(inputs, state.plan.image_shape), path)


def paint(model: nn.Module, inputs: Tensor, path: Path) -> None:
    """Write the picture of some inputs (B, C, S, S). Raises as `draw` does."""
    if inputs.shape[1] not in {1, 3}:
        raise WrongState(
            "no attention picture: its images are not pictures of one or three channels"
        )
    rolled = attended(model, inputs)
    if isinstance(rolled, str):
        raise WrongState(f"no attention picture of this network: {rolled}")
    factor = max(1, -(-SIDE // inputs.shape[-1]))
    seen = _enlarged(_levels(inputs), factor)  # (B, 3, S, S)
    light = rolled.shares / rolled.shares.amax(dim=(1, 2), keepdim=True)
    light = F.interpolate(light.unsqueeze(1), size=seen.shape[-2:], mode="nearest")
    framed = [F.pad(row, [FRAME] * 4, value=0.5) for row in (seen, seen * light.clamp_min(DARKEST))]
    rows = [torch.cat(list(row), dim=2) for row in framed]
    pixels = torch.cat(rows, dim=1).mul(255).round().to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(pixels.contiguous().numpy()).save(path, format="PNG")


def _levels(inputs: Tensor) -> Tensor:
    """Each input in the range from 0 to 1, in three channels."""
    low, high = (pick(inputs, dim=(1, 2, 3), keepdim=True) for pick in (torch.amin, torch.amax))
    return ((inputs - low) / (high - low).clamp_min(1e-9)).expand(-1, 3, -1, -1)


def _enlarged(images: Tensor, factor: int) -> Tensor:
    return images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
