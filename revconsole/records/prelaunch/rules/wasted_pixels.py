"""Wasted pixels: patches that do not divide the image, or a network that shrinks it to one pixel.

Speaks when the patch of a timm model leaves a border of the image unseen, because its convolution takes whole patches
only; and when the ImageNet stem of a ResNet meets small images: it divides the side by 32, so 32 pixels become a map of one and
most blocks see nothing beside their own position (public CIFAR recipes take a 3×3 stem, which divides by 8).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.sections.model import Resnet, TimmModel

SHRINKS = 32
"""Factor by which a ResNet for ImageNet divides the side."""
LEAST_MAP = 2


def look(run: PlannedRun) -> str:
    """The sentence about pixels that nothing is made of."""
    model, size = run.plan.model, run.plan.image_size
    if isinstance(model, Resnet) and model.stem == "imagenet" and size < LEAST_MAP * SHRINKS:
        return (
            f"the ImageNet stem of this ResNet divides the side by 32 in all, so images of {size} pixels become a map of "
            f"{-(-size // SHRINKS)} × {-(-size // SHRINKS)}; usual for 32 pixels is a 3×3 stem: model.stem=cifar"
        )
    patch = run.network.patch
    if (
        isinstance(model, TimmModel)
        and patch
        and patch < size
        and size % patch
        and not run.plan.data.source
    ):
        key = "data.crop" if run.plan.data.crop else "data.image_size"
        whole = size // patch * patch
        return (
            f"patches of {patch} do not divide images of {size} pixels: a border of {size - whole} pixels is not seen "
            f"({1 - (whole / size) ** 2:.0%} of the image); {key}={whole}"
        )
    return ""


RULE = LaunchRule(name="wasted pixels", level="warning", look=look)
