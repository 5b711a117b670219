"""Scratch on few: a vision transformer from random weights on few images.

Speaks above 500 parameters an image. Transformers know nothing of neighbourhoods and learn it from the images; on small
sets they fall behind convolutions, the larger the further (Dosovitskiy et al. 2020, figures 3 and 4; Liu et al. 2021,
arXiv 2106.03746; Steiner et al. 2021, arXiv 2106.10270). Small ones reach 80 to 97 % on CIFAR-10 with 70 to 210 an image.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

EACH = 500
SMALL = 64
"""Side of images below which a ResNet has its small stem."""


def look(run: PlannedRun) -> str:
    """The sentence about many parameters and few images."""
    parameters, images = run.network.parameters, run.images
    if not run.transformer or not run.scratch or parameters is None or not images:
        return ""
    if parameters <= EACH * images or run.plan.quick:
        return ""
    convolutions = "model.architecture=resnet"
    if run.plan.image_size < SMALL:
        convolutions += " model.stem=cifar"
    other = {"timm": "model.pretrained=true or ", "vit": "a smaller model.dim or "}
    remedy = other.get(run.plan.model.architecture, "") + convolutions
    return (
        f"a transformer of about {parameters / 1e6:,.1f} million parameters from random weights on {images:,} images, {parameters / images:,.0f} "
        f"an image; usual are below {EACH} (CCT on CIFAR: 84), else convolutions or published weights do better "
        f"(Dosovitskiy et al. 2020): {remedy}"
    )


RULE = LaunchRule(name="transformer on few images", level="warning", look=look)
