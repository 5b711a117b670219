"""A model of your own: what `package.module:function` returns, in the working folder or installed.

The function is called with those of `size`, `channels` and `classes` that it accepts by name, under the run's seed.
It returns any torch.nn.Module from images (B, channels, size, size) to logits (B, classes).
"""

import torch
from torch import nn

from revconsole.errors import ProfileError
from revconsole.models._own import blamed, made, working_folder_importable
from revconsole.records.sections.model import Python
from revconsole.reversible.rest import evaluating

KEY = "model.function"


def build(settings: Python, *, size: int, channels: int, classes: int) -> nn.Module:
    """The model returned by the function, on the current default device.

    Raises ProfileError or UnknownName for a missing function, ProfileError for a model whose output is not the data's
    number of logits, and RevconsoleError, with the place, for errors in the user's code.
    """
    source = str(settings.function)
    with working_folder_importable(), blamed(source):
        model = made(
            source, where="the plan", key=KEY, size=size, channels=channels, classes=classes
        )
        shape = _answer(model, channels, size)
    if shape != (1, classes):
        raise ProfileError.of_plan(
            KEY,
            f"{source} gives {shape} for one image of {size}×{size} pixels and {channels} "
            f"channels, and the data has {classes} classes: it should be {(1, classes)}",
        )
    return model


def _answer(model: nn.Module, channels: int, size: int) -> tuple[int, ...]:
    """Shape of the model's output for one image, in evaluation mode."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    image = torch.zeros(1, channels, size, size)
    if weight is not None:
        image = image.to(weight.device, weight.dtype)
    with evaluating(model), torch.no_grad():
        answer = model(image)
    return tuple(getattr(answer, "shape", ()))
