"""Sight: which pixels of an image a model's output depends on at all, found out by gradients.

A patch or a stride that does not divide the side of the image leaves rows and columns out: the model runs, trains, and
never sees them. Noise is looked at and not an image: where an image is black, a pool takes the same pixel every time.

Shapes: B images, C channels, S pixels of height and width, K classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import SEED, aimed, logits_of, sow
from revconsole.reversible.replay import generators_kept
from revconsole.reversible.rest import evaluating

IMAGES = 2
"""Number of noise images, enough for whole rows and columns; single pixels take more, as a pool or a rectifier hides some in each image."""


def seen(
    model: nn.Module,
    channels: int,
    size: int,
    *,
    width: int | None = None,
    images: int = IMAGES,
    draw: int = 0,
) -> Tensor | None:
    """Whether each value of an image counts, bool (C, S, S), in evaluation; None where no gradient reaches the image.

    width: of images that are not square. images: how many of noise are looked at. draw: which ones. The model and all generators are left as they were. Raises whatever it raises for images of this size.
    """
    weight = next((each for each in model.parameters() if each.is_floating_point()), None)
    noise = torch.randn(
        (images, channels, size, width or size),
        generator=torch.Generator().manual_seed(SEED + draw),
    )
    given = noise if weight is None else noise.to(weight.device, weight.dtype)
    given.requires_grad_()
    with (
        generators_kept(given.device),
        evaluating(model),
        _nothing_closed(model),
        torch.enable_grad(),
    ):
        sow(given.device)
        logits = logits_of(model(given))
        if not logits.requires_grad:
            return None
        target = aimed(logits.flatten(1))
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(target, given, allow_unused=True)
    gradient = gradients[0]
    if gradient is None or not gradient.any():
        return None
    return (gradient != 0).any(dim=0)


@contextmanager
def _nothing_closed(model: nn.Module) -> Iterator[None]:
    """Give weights that are zero, as the last norm of a residual branch or a new head is at first, a value inside."""
    closed = [weight for weight in model.parameters() if not weight.detach().any()]
    with torch.no_grad():
        for weight in closed:
            weight.normal_()
    try:
        yield
    finally:
        with torch.no_grad():
            for weight in closed:
                weight.zero_()


def left_out(seen: Tensor) -> str:
    """Rows and columns of which no pixel counts, as the end of a sentence; empty where there are none."""
    height, width = seen.shape[-2:]
    rows, columns = (int(seen.any(dim=0).any(dim=axis).sum()) for axis in (1, 0))
    if (rows, columns) == (height, width):
        return ""
    return f"{rows} of {height} rows and {columns} of {width} columns of an image; the others change nothing in its output"
