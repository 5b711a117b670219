"""Norms over the batch: the least number of images a network trains on, and what follows for the batches.

A BatchNorm over a map of one pixel computes its statistics over the images alone; for a single image torch refuses.
An epoch whose images do not divide by the batch may end with a single one.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from revconsole.errors import ProfileError
from revconsole.records.settings.plan import Plan
from revconsole.reversible import set_draws
from revconsole.reversible.replay import undisturbed
from revconsole.training.objectives import Objective
from revconsole.training.setup.draws import Signs

REFUSED = ("Expected more than 1 value per channel", "Expected more than 1 spatial element")
"""Texts of torch's error for a norm with a single value."""
FAR = 64
"""Largest distance from the requested batch at which another batch is suggested."""


def refuse_single(plan: Plan, least: int, images: int) -> None:
    """Raise ProfileError if every micro-batch has fewer images than the network needs."""
    train = plan.train
    if images < least:
        raise ProfileError.of_plan(
            "data.train_limit",
            f"there is {images} image to train on, and the norms of the network need {least} at once; take more",
        )
    if train.micro_batch >= least:
        return
    key, remedy = "batch", f"set it to {least} or more"
    if train.accumulate > 1:
        key, remedy = "accumulate", "lower it"
    raise ProfileError.of_plan(
        f"train.{key}",
        f"batch {train.batch} with accumulate {train.accumulate} puts one image through the network at a time, and its "
        f"norms need {least}; {remedy}",
    )


def refuse_rest(plan: Plan, least: int, images: int) -> None:
    """Raise ProfileError if an epoch of `images` images ends with fewer than the network needs."""
    if shortest(plan, images, plan.train.batch) >= least:
        return
    raise ProfileError.of_plan(
        "train.batch",
        f"{images:,} images to train on in batches of {plan.train.batch} leave one alone at the end of an epoch, and the "
        f"norms of the network need {least} at once; {_remedy(plan, least, images)}",
    )


def least_images(objective: Objective, model: nn.Module, plan: Plan) -> int:
    """The least number of images the network trains on: 1, or 2 if a single image fails.

    Determined by a forward pass of zeros without gradients; model and generators are left unchanged. Raises
    ProfileError if two images are too few as well, because a norm sees a single number per image.
    """
    if not any(isinstance(module, _NormBase | nn.GroupNorm) for module in model.modules()):
        return 1
    for images in (1, 2):
        if trains_on(images, objective, model, plan):
            return images
    raise ProfileError.of_plan(
        "data.image_size",
        f"images of {plan.image_size} pixels become a single number in front of a norm, which has nothing to "
        "normalise; enlarge them, or take a model that shrinks them less",
    )


def shortest(plan: Plan, images: int, batch: int) -> int:
    """Images of the smallest micro-batch of a run with that batch."""
    micro = max(1, batch // plan.train.accumulate)
    remainder = images % batch
    cut = plan.train.steps is not None and plan.train.steps < -(-images // batch)
    if not remainder or cut or plan.data.drop_last:
        return min(micro, images)
    return min(remainder % micro or micro, remainder, micro)


def part_sizes(images: int, micro_batch: int, least: int) -> list[int]:
    """Images of each micro-batch of a batch; a last one smaller than `least` is joined to the one before it."""
    sizes = [micro_batch] * (images // micro_batch)
    remainder = images % micro_batch
    if remainder and sizes and remainder < least:
        sizes[-1] += remainder
    elif remainder:
        sizes.append(remainder)
    return sizes


def normed_over_parts(model: nn.Module) -> bool:
    """Whether the network has norms with statistics over the images of one forward pass."""
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())


def _remedy(plan: Plan, least: int, images: int) -> str:
    """The suggestion of the nearest batch that leaves no image alone."""
    parts, batch = plan.train.accumulate, plan.train.batch
    near = sorted(range(max(1, batch - FAR), batch + FAR), key=lambda other: abs(other - batch))
    for other in near:
        whole = other % parts == 0 and other // parts >= least
        if whole and shortest(plan, images, other) >= least:
            return f"set train.batch = {other}"
    return "set another train.batch"


def trains_on(images: int, objective: Objective, model: nn.Module, plan: Plan) -> bool:
    """Whether the loss of `images` images can be computed in training mode; other errors are ignored here."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    device, kind = (torch.device("cpu"), None) if weight is None else (weight.device, weight.dtype)
    shape = (images, plan.facts.channels, *plan.image_shape)
    pixels = torch.zeros(shape, device=device, dtype=kind)
    labels = torch.zeros(images, dtype=torch.int64, device=device)
    signs = Signs(plan.seed)
    set_draws(model, signs)
    signs.at_step(step=0, batch=images, first=0)
    try:
        with undisturbed(model, device), torch.no_grad():
            objective.loss(model, objective.inputs(pixels, labels, seed=0), progress=0.0)
    except Exception as error:  # noqa: BLE001  any other fault shows when training starts
        return not any(text in str(error) for text in REFUSED)
    return True
