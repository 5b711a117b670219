"""Weights: the initial weights of a model of timm's or built with its layers, as an overlay of timm's configuration.

timm and its hub retry for most of a minute before they report a missing network, and load a file with another head
without noticing that nothing else fits. Both cases are handled here, before timm is called.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.utils.tqdm import disable_progress_bars
from timm.models import load_pretrained
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn

from revconsole.errors import DataUnavailable, ProfileError
from revconsole.models import _google, _huggingface
from revconsole.models import _weights_file as weights_file
from revconsole.models._naming import bare
from revconsole.records.reach import reachable
from revconsole.records.sections.model import TimmModel

Overlay = dict[str, Any]
OF_FILTERS = (
    OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError, AssertionError,
)  # fmt: skip
"""What timm's filters of checkpoints raise."""


def from_file(taker: str, path: Path, model: nn.Module) -> Overlay:
    """The weights of a local file; a head with another number of classes is replaced by zeros.

    taker: the model's name, for errors.

    Otherwise loading is strict: a file for another architecture is refused. What trains a network may have put it into
    something larger (`_naming`). A file with the same tensors in the same order under other names, as other
    libraries write them, is accepted. Raises DataUnavailable for a file that is missing, holds no weights, holds
    values that are not finite, or is of a network that computes something else. No code in the file is executed.
    """
    content = weights_file.read(path, taker=taker)
    _huggingface.refuse_another(content.computes, model, taker=taker, source=path)
    weights = bare(content.weights, model, path).weights
    if content.kind == "npz":
        weights = _google.fitted(weights, model)
    weights = _with_own_head(renamed(weights, model), model)
    weights_file.refuse_not_finite(weights, path)
    # With the model's own number of classes, or timm would drop the head.
    own = {"num_classes": model.num_classes, "label_offset": 0}
    return {"state_dict": weights, "custom_load": False} | own


def loaded(model: nn.Module, name: str, *, channels: int, classes: int, taker: str) -> nn.Module:
    """A vision transformer of timm's class, made without timm's own names, with the weights of a file: as timm loads them.

    name: of the file, as `model.weights` has it. taker: of the model, for errors. Raises DataUnavailable.
    """
    path = weights_file.located(name)
    overlay = from_file(taker, path, model)
    try:
        load_pretrained(
            model,
            configuration(model) | overlay,
            num_classes=classes,
            in_chans=channels,
            filter_fn=checkpoint_filter_fn,
        )
    except OF_FILTERS as error:
        found = unfit(path, taker, overlay, model, error)
        raise DataUnavailable(f"{found}; `revconsole weights show` says what would fit") from error
    return model


def misfit(overlay: Overlay, model: nn.Module) -> str:
    """How names and shapes of weights differ from the model's; empty if the overlay holds no weights."""
    if "state_dict" not in overlay:
        return ""
    heads = heads_of(model)
    loaded, own = (
        {name: value for name, value in tensors.items() if name.rpartition(".")[0] not in heads}
        for tensors in (overlay["state_dict"], model.state_dict())
    )
    if not own.keys() & loaded.keys():
        return f"its keys look like {_some(loaded)}, and the model has {_some(own)}"
    missing, surplus = own.keys() - loaded.keys(), loaded.keys() - own.keys()
    parts = [f"it lacks {_some(missing)}"] if missing else []
    parts += [f"it has {_some(surplus)} and the model has not"] if surplus else []
    for name in own:
        if name in loaded and loaded[name].shape != own[name].shape and not parts:
            in_file, in_model = (_shape(tensors[name]) for tensors in (loaded, own))
            parts.append(f"{name} is {in_file} in the file and {in_model} in the model")
    return ", ".join(parts)


def unfit(
    source: object, taker: str, overlay: Overlay, model: nn.Module, error: Exception
) -> DataUnavailable:
    """The error for weights that do not fit, with the reason: how they differ, or else what was raised."""
    reason = misfit(overlay, model) or " ".join(str(error).split())[:200]
    return DataUnavailable(f"{source} does not fit {taker}: {reason}")


def _some(names: Iterable[str]) -> str:
    """The first two names, and the number of others."""
    listed = list(names)
    more = len(listed) - 2
    return ", ".join(sorted(listed)[:2]) + (f" and {more} more" if more > 0 else "")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def published(settings: TimmModel, model: nn.Module) -> Overlay:
    """The published weights: the copy in the local hub cache, or else a download by timm.

    Raises ProfileError if there are none, and DataUnavailable at once if there is no copy and no network.
    """
    settings_of_timm = configuration(model)
    hub = settings_of_timm.get("hf_hub_id")
    if hub:
        for name in (
            settings_of_timm.get("hf_hub_filename"),
            "model.safetensors",
            "pytorch_model.bin",
        ):
            cached = try_to_load_from_cache(hub, name) if name else None
            if isinstance(cached, str):
                return {"file": cached, "custom_load": False}
    address = constants.ENDPOINT if hub else settings_of_timm.get("url")
    if not address:
        raise ProfileError.of_plan(
            "model.pretrained", f"there are no published weights for {settings.name}; leave it out"
        )
    disable_progress_bars()  # a progress bar would disturb the console
    if constants.HF_HUB_OFFLINE or not reachable(str(address)):
        raise unreachable(settings, str(address))
    return {}


def unreachable(settings: TimmModel, address: str) -> DataUnavailable:
    """The error for published weights that cannot be obtained."""
    host = urlsplit(address).hostname or address
    return DataUnavailable(
        f"the published weights of {settings.name} are not in the local cache and {host} cannot be "
        "reached; set model.weights to a file you have, or leave out model.pretrained"
    )


def renamed(weights: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights under the model's names, if none of their names match and every tensor has a counterpart in order."""
    own, heads = model.state_dict(), heads_of(model)
    if own.keys() & weights.keys() or len(own) != len(weights):
        return weights
    pairs = list(zip(own.items(), weights.items(), strict=True))
    alike = all(
        mine.rpartition(".")[2] == theirs.rpartition(".")[2]
        and (a.shape == b.shape or mine.rpartition(".")[0] in heads)
        for (mine, a), (theirs, b) in pairs
    )
    return {mine: value for (mine, _), (_, value) in pairs} if alike else weights


def _with_own_head(weights: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights with heads of zeros in place of those that `renewed_heads` names."""
    own = model.state_dict()
    for head in renewed_heads(weights, model):
        for name in (f"{head}.weight", f"{head}.bias"):
            if name in own:
                weights = weights | {name: torch.zeros_like(own[name])}
    return weights


def renewed_heads(weights: Mapping[str, Tensor], model: nn.Module) -> tuple[str, ...]:
    """The layers that give the logits, if the file lacks one of them or has one of another size; else none.

    All of them, because a distilled network's logits are the mean of two: one of zeros would halve the other.
    """
    own, heads = model.state_dict(), heads_of(model)
    names = [f"{head}.weight" for head in heads if f"{head}.weight" in own]
    fit = all(name in weights and weights[name].shape == own[name].shape for name in names)
    return () if fit else heads


def renew_head(model: nn.Module) -> nn.Module:
    """The model with a head of zeros, unless the published weights have as many classes.

    A pretrained network thus starts from an uninformed guess, and no random head sends noise into it, as in the
    reference fine-tuning of vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.2).
    """
    if configuration(model).get("num_classes") != model.num_classes:
        for head in heads_of(model):
            for parameter in model.get_submodule(head).parameters():
                nn.init.zeros_(parameter)
    return model


def heads_of(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers that give the logits."""
    heads = configuration(model).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)


def configuration(model: nn.Module) -> Overlay:
    """Timm's facts about the model's published weights: classes, image side, address."""
    settings = model.pretrained_cfg
    return dict(settings) if isinstance(settings, dict) else {}
