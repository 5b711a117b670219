"""Positions: the position table of published weights is interpolated to another number of patches.

Speaks when a plain vision transformer of timm starts from weights for another image size. From 224 to 384 pixels that is
usual before fine-tuning (Dosovitskiy et al. 2020, section 3.2; DeiT); far from the size of the weights, the patches look
otherwise than those it was trained on, and the first epochs are spent on that.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

LEAST_SIDE, MOST_SIDE = 0.5, 2.0
"""Share of the image side of the weights within which interpolation is usual."""


def look(run: PlannedRun) -> str:
    """The sentence about a table for another number of patches."""
    shape, size = run.network, run.plan.image_size
    if run.scratch or shape.own_side is None or shape.patch is None or shape.tokens is None:
        return ""
    name = getattr(run.plan.model, "name", "")
    if LEAST_SIDE <= size / shape.own_side <= MOST_SIDE:
        return ""
    own, here = shape.own_side // shape.patch, size // shape.patch
    return (
        f"the position table of {name} is interpolated from {own} × {own} to {here} × {here} patches, for images of {size} in "
        f"place of {shape.own_side} pixels; usual is the size of the weights to twice that (ViT, DeiT): "
        f"data.image_size={shape.own_side}"
    )


RULE = LaunchRule(name="positions interpolated", level="warning", look=look)
