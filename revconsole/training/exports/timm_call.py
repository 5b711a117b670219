"""Timm call: the name and the arguments by which timm builds a run's network, or why it cannot."""

from collections.abc import Mapping
from typing import Any

import torch

from revconsole.errors import NotExported
from revconsole.models.swin import MINI, NAMES
from revconsole.models.timm import arguments_of, quietly
from revconsole.models.vit import arguments as arguments_of_vit
from revconsole.records.sections.model import Resnet, Swin, TimmModel, Vit
from revconsole.records.settings.plan import Plan

OWN_PARTS = {"stem": "linear", "attention": "softmax", "token_merging": 0}
"""Settings of `vit`, and the value that timm's own network has."""
OTHERWISE = "--to torch and --to onnx write a program that computes it"


def timm_call(plan: Plan) -> tuple[str, Mapping[str, Any]]:
    """(timm's name, arguments of `timm.create_model`). Raises NotExported if timm has no such network."""
    _refuse_other_functions(plan)
    name, arguments = _call(plan)
    # The classes are at the root of the configuration: transformers does not take them twice.
    return name, {k: v for k, v in arguments.items() if v is not None and k != "num_classes"}


def _call(plan: Plan) -> tuple[str, Mapping[str, Any]]:
    channels, (size, width) = plan.facts.channels, plan.image_shape
    sizes = {"size": size, "channels": channels, "classes": plan.facts.classes}
    match plan.model:
        case TimmModel() as model:
            with quietly(), torch.device("meta"):
                return model.name, arguments_of(model, **sizes)
        case Vit() as model:
            _refuse_own_parts(model)
            arguments = arguments_of_vit(model, **sizes)
            oblong = {} if width == size else {"img_size": [size, width]}
            return "vit_tiny_patch16_224", {**arguments, **oblong}
        case Resnet(stem="imagenet", layers=layers):
            return f"resnet{layers}", {"in_chans": channels}
        case Swin(variant="mini"):
            return NAMES["tiny"], {**MINI, "in_chans": channels, "img_size": size}
        case Swin(variant=variant):
            return NAMES[variant], {"in_chans": channels, "img_size": size}
        case _:
            name = plan.model.architecture
            what = "resnet with model.stem=cifar" if isinstance(plan.model, Resnet) else name
            raise NotExported(f"timm has no network like {what}; {OTHERWISE}")


def _refuse_other_functions(plan: Plan) -> None:
    """Raise NotExported unless evaluation is the plain network on one image."""
    if not plan.scheme.plain_in_evaluation:
        raise NotExported(
            f"scheme {plan.scheme.name!r} computes another function of the same weights, which timm has not; {OTHERWISE}"
        )
    if plan.data.views > 1:
        raise NotExported(
            f"it looks at {plan.data.views} views of an image at once, which no network of timm's does; {OTHERWISE}"
        )


def _refuse_own_parts(model: Vit) -> None:
    for name, value in OWN_PARTS.items():
        if getattr(model, name) != value:
            raise NotExported(
                f"timm's vision transformer has no model.{name}={getattr(model, name)}; {OTHERWISE}"
            )
    if model.pool == "sequence":
        raise NotExported(f"timm's vision transformer has no model.pool=sequence; {OTHERWISE}")
