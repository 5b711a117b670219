"""Magnified: a patch shows hardly more than one pixel of the original images.

Speaks when images are enlarged so far that a patch shows fewer than 2 × 2 pixels of theirs: the tokens multiply and show
nothing more. Four ViTs of a course report had 785 and 3,137 tokens for images of 32 pixels (profiles vit-a to vit-d).
Published weights are left the size that they are for.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

LEAST_PIXELS = 2
"""Side of a patch, in pixels of the original images, below which it is called too small."""


def look(run: PlannedRun) -> str:
    """The sentence about enlarged images in small patches."""
    patch, size, own = run.network.patch, run.plan.image_size, run.plan.shipped.size
    if (
        patch is None
        or not run.scratch
        or run.plan.data.source
        or not 0 < own < size
        or patch * own >= LEAST_PIXELS * size
    ):
        return ""
    larger = next(
        (p for p in range(patch + 1, size) if size % p == 0 and p * own >= LEAST_PIXELS * size),
        size,
    )
    return (
        f"the images are enlarged from {own} to {size} pixels, so a patch of {patch} pixels shows {patch * own / size:.1f} of "
        f"theirs and there are {(size // patch) ** 2:,} patches; usual are 4 (ViT on CIFAR): model.patch={larger} or "
        f"data.image_size={own} costs less and shows as much"
    )


RULE = LaunchRule(name="magnified", level="warning", look=look)
