"""Rules between the batch and the number of images, which for a folder is known when it is counted."""

from revconsole.errors import ProfileError
from revconsole.records.settings.plan import Plan


def refuse_no_batch(plan: Plan, images: int) -> None:
    """Raise ProfileError if `data.drop_last` would leave out every image of an epoch."""
    if plan.data.drop_last and not plan.steps_of(images):
        raise ProfileError.of_plan(
            "data.drop_last",
            f"the {images:,} images to train on do not fill a batch of {plan.train.batch}, and none would be left; lower "
            f"train.batch to {images} or less, or leave out drop_last",
        )
