"""Rules between an objective without labels and the model, the image and the training."""

import math

from revconsole.records.sections.model import Vit
from revconsole.records.sections.objective import ClassificationSection, Dino, Mae
from revconsole.records.sections.rule import Rule
from revconsole.records.settings.plan_settings import PlanSettings


def check_objective(plan: PlanSettings) -> None:
    """Raise Rule for the first setting that the objective does not allow."""
    if isinstance(plan.objective, ClassificationSection):
        return
    model = _encoder(plan)
    match plan.objective:
        case Mae() as mae:
            _check_mae(plan, model, mae)
        case Dino() as dino:
            _check_dino(plan, model, dino)


def masked(patches: int, ratio: float) -> int:
    """Number of hidden patches: at least one, and at least one stays visible."""
    return min(max(patches - int(patches * (1 - ratio)), 1), patches - 1)


def local_size(plan: PlanSettings, dino: Dino) -> int:
    """Side of a small crop in pixels: as set, or the multiple of a patch nearest to half the image."""
    if dino.local_size is not None:
        return dino.local_size
    patch = getattr(plan.model, "patch", 1)
    return max(1, round(plan.image_size / (2 * patch))) * int(patch)


def _encoder(plan: PlanSettings) -> Vit:
    """The model, checked to be one that can be pre-trained. Raises Rule."""
    model, name = plan.model, plan.objective.name
    if not isinstance(model, Vit):
        raise Rule(
            "objective.name",
            f"{name!r} pre-trains architecture 'vit' alone, not {model.architecture!r}; set model.architecture=vit",
        )
    if model.pretrained is not None or model.weights is not None:
        key, origin = ("pretrained", "a run") if model.pretrained else ("weights", "a file")
        raise Rule(
            f"model.{key}",
            f"{name!r} begins with drawn weights; use objective 'classification' to go on from {origin}",
        )
    if plan.train.label_smoothing:
        raise Rule("train.label_smoothing", f"{name!r} reads no labels; leave it out")
    if plan.train.freeze == "backbone":
        raise Rule(
            "train.freeze", f"{name!r} has no head to train alone; name the parameters to freeze"
        )
    return model


def _check_mae(plan: PlanSettings, model: Vit, mae: Mae) -> None:
    patches = (plan.image_size // model.patch) ** 2
    if model.stem != "linear":
        raise Rule(
            "model.stem",
            f"'mae' hides patches, and stem {model.stem!r} lets a token see the pixels around its own; use 'linear'",
        )
    if model.token_merging:
        raise Rule(
            "model.token_merging",
            "'mae' paints from every visible patch, and merged tokens are fewer; set it to 0",
        )
    if patches < 2:
        raise Rule(
            "model.patch",
            "'mae' hides some patches and shows the others, and this image is a single patch; use a smaller patch",
        )
    visible = patches - masked(patches, mae.mask_ratio) + (model.pool == "cls")
    if model.attention == "local" and visible < 2:
        raise Rule(
            "objective.mask_ratio",
            "attention 'local' lets no token see itself, and only one would be left; hide fewer patches",
        )
    if mae.decoder_dim % math.lcm(4, mae.decoder_heads):
        raise Rule(
            "objective.decoder_dim",
            f"is a multiple of 4, for its positions, and of the {mae.decoder_heads} decoder_heads, "
            f"and {mae.decoder_dim} is not; {math.lcm(4, mae.decoder_heads)} is the least",
        )


def _check_dino(plan: PlanSettings, model: Vit, dino: Dino) -> None:
    side = local_size(plan, dino)
    if plan.train.average is not None:
        raise Rule(
            "train.average",
            "the teacher of 'dino' is a moving average of the weights already; leave it out",
        )
    if side % model.patch or side > plan.image_size:
        raise Rule(
            "objective.local_size",
            f"a small crop is a multiple of the patch of {model.patch} pixels and no larger than the image of "
            f"{plan.image_size}, not {side}",
        )
    if dino.local_scale > dino.global_scale:
        raise Rule(
            "objective.local_scale",
            f"a small crop shows less than a large one, which shows {dino.global_scale:g} or more of the image; "
            f"{dino.local_scale:g} is more",
        )
    tokens = (side // model.patch) ** 2 + (model.pool == "cls")
    if dino.local_crops and model.attention == "local" and tokens < 2:
        raise Rule(
            "objective.local_size",
            "attention 'local' lets no token see itself, and a small crop would have only one; make it larger",
        )
