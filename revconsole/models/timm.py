"""Any architecture of the timm library by name, sized for the images of the run.

timm's models differ in the arguments they accept: a convolutional network takes images of any side and has no patch,
a transformer needs both. An argument that a model does not accept is dropped if the user did not set it, and refused
by name if they did.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
import torch
from torch import nn

from revconsole.errors import ProfileError, UnknownName
from revconsole.models import _weights
from revconsole.models._epsilon import with_epsilon
from revconsole.models._weights_file import located
from revconsole.records.sections.model import TimmModel
from revconsole.reversible.audit.sight import left_out, seen
from revconsole.reversible.rest import evaluating

Arguments = dict[str, Any]
ASKED_FOR = {"patch_size": "patch", "drop_path_rate": "drop_path", "drop_rate": "dropout"}
"""timm's argument for each setting that a model may lack, and the setting."""
HALVINGS = 32
"""Sides that are multiples of it can be halved as often as models without patches do."""
UNEXPECTED = re.compile(r"unexpected keyword argument(?:\(s\):)? \[?'(\w+)'")
"""What Python says of it, and what timm's MetaFormer says."""


def build(settings: TimmModel, *, size: int, channels: int, classes: int) -> nn.Module:
    """The model with random, published or given weights; its head has `classes` outputs.

    Raises UnknownName for a name timm does not have, ProfileError for a setting that the architecture does not accept
    or an unsuitable image size, and DataUnavailable for weights that cannot be obtained.
    """
    refuse_unknown(settings.name)
    arguments = _sizes(settings, size=size, channels=channels, classes=classes)
    if settings.dropout:
        arguments["drop_rate"] = settings.dropout
    if settings.drop_path:
        arguments["drop_path_rate"] = settings.drop_path
    model, accepted = _create(settings, arguments)
    _refuse_unseen(model, settings, size=size, channels=channels)
    made_for = _weights.configuration(model).get("input_size") or (0, 0, 0)
    as_published = settings.patch is None and made_for[-1] == size  # all of its pixels are used
    if next(model.parameters()).device.type != "meta" and not as_published:
        _refuse_blind(model, settings, size=size, channels=channels)
    if settings.weights is not None:
        path = located(settings.weights)
        return _with_weights(
            settings, accepted, _weights.from_file(settings.name, path, model), model
        )
    if settings.pretrained is True:
        published = _weights.published(settings, model)
        return _weights.renew_head(_with_weights(settings, accepted, published, model))
    return model


def arguments_of(settings: TimmModel, *, size: int, channels: int, classes: int) -> Arguments:
    """Timm's arguments that say what the network computes, without those that it does not accept. Raises as `build` does."""
    return _create(settings, _sizes(settings, size=size, channels=channels, classes=classes))[1]


def _sizes(settings: TimmModel, *, size: int, channels: int, classes: int) -> Arguments:
    arguments: Arguments = {"in_chans": channels, "num_classes": classes, "img_size": size}
    if settings.patch is not None:
        arguments["patch_size"] = settings.patch
    return arguments


def refuse_unpublished(settings: TimmModel) -> None:
    """Raise ProfileError if there are no published weights, and DataUnavailable if they are unreachable."""
    refuse_unknown(settings.name)
    with torch.device("meta"):
        _weights.published(settings, timm.create_model(settings.name))


def _create(settings: TimmModel, arguments: Arguments) -> tuple[nn.Module, Arguments]:
    """(the model with random weights, the arguments it accepts); some models take images of any size."""
    try:
        model = _timm_model(settings.name, arguments)
    except TypeError as error:
        match = UNEXPECTED.search(str(error))
        if match is None:
            raise
        refused = match.group(1)
    except (AssertionError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise _refusal(settings, "model.name", f"cannot be built so: {error}") from error
    else:
        return with_epsilon(model, settings.norm_eps), arguments
    if refused == "img_size":
        return _create(settings, {k: v for k, v in arguments.items() if k != "img_size"})
    key = ASKED_FOR.get(refused, "name")
    raise _refusal(settings, f"model.{key}", f"has no {key}; leave model.{key} out")


def _with_weights(
    settings: TimmModel, arguments: Arguments, overlay: _weights.Overlay, model: nn.Module
) -> nn.Module:
    """A model built as `model`, with the weights in `overlay`."""
    more = {"pretrained": True, "pretrained_cfg_overlay": overlay}
    try:
        with warnings.catch_warnings():
            # timm's own code for relative positions triggers this warning; users cannot act on it
            warnings.filterwarnings("ignore", module=r"timm\.layers\.interpolate")
            return with_epsilon(_timm_model(settings.name, arguments | more), settings.norm_eps)
    except _weights.OF_FILTERS as error:
        if not overlay:
            raise _weights.unreachable(settings, "the hub") from error
        source = settings.weights or overlay.get("file")
        raise _weights.unfit(source, settings.name, overlay, model, error) from error


def _timm_model(name: str, arguments: Arguments) -> nn.Module:
    model = timm.create_model(name, **arguments)
    if not isinstance(model, nn.Module):
        raise TypeError(f"timm returned {type(model).__name__} for {name!r}, which is no module")
    return model


def refuse_unknown(name: str) -> None:
    """Raise UnknownName with the nearest of timm's names."""
    if not timm.is_model(name):
        raise UnknownName("timm model", name, timm.list_models())


def _refuse_unseen(model: nn.Module, settings: TimmModel, *, size: int, channels: int) -> None:
    """Raise ProfileError unless the model turns an image of this size into logits.

    Only some of timm's constructors check the size; the others fail during a forward pass.
    """
    weight = next(model.parameters())
    image = torch.zeros(1, channels, size, size, device=weight.device, dtype=weight.dtype)
    try:
        with evaluating(model), torch.no_grad():
            model(image)
    except (AssertionError, ValueError, RuntimeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise _refusal(
            settings,
            "data.image_size",
            f"cannot see images of {size} pixels ({reason}); set data.image_size to what it was made for, "
            "or a smaller model.patch",
        ) from error


def _refuse_blind(model: nn.Module, settings: TimmModel, *, size: int, channels: int) -> None:
    """Raise ProfileError if rows or columns of the image do not affect the output.

    A patch or stride that does not divide the side drops the rest, and timm's models train without it.
    """
    try:
        sight = seen(model, channels, size)
    except RuntimeError:  # the model has no gradient, so nothing is known
        return
    ignored = "" if sight is None else left_out(sight)
    if ignored:
        patch = _patch(model)
        step = patch or HALVINGS
        whole = -(-size // step) * step
        smaller = [str(side) for side in range(patch - 1, 1, -1) if size % side == 0]
        either = f", or model.patch to {' or '.join(smaller[:3])}" if smaller else ""
        raise _refusal(
            settings, "data.image_size", f"sees {ignored}; set data.image_size to {whole}{either}"
        )


def _patch(model: nn.Module) -> int:
    """Side of the model's patches; 0 if it has none."""
    side = getattr(getattr(model, "patch_embed", None), "patch_size", 0)
    return int(side[0] if isinstance(side, tuple) else side or 0)


def _refusal(settings: TimmModel, key: str, reason: str) -> ProfileError:
    return ProfileError.of_plan(key, f"{settings.name} {reason}")


@contextmanager
def quietly() -> Iterator[None]:
    """A context that suppresses messages of timm's constructors."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
