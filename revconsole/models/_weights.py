"""Where the first weights of a timm model come from, as what timm calls an overlay of its configuration.

timm and its hub retry for most of a minute before they report that there is no network, and load a file whose
head differs without noticing that nothing else fits. Both are settled here, before timm is asked.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.utils.tqdm import disable_progress_bars
from torch import Tensor, nn

from revconsole.errors import DataUnavailable, ProfileError
from revconsole.models import _weights_file as weights_file
from revconsole.records.reach import reachable
from revconsole.records.sections.model import TimmModel

Overlay = dict[str, Any]


def from_file(settings: TimmModel, path: Path, model: nn.Module) -> Overlay:
    """The weights of a local file; a head with another number of classes gives way to one of zeros.

    Loading stays strict otherwise: a file for another architecture is refused, not half used. A prefix that all names
    have in common is taken off where what is left is the model's, and a file that holds the same tensors in the same
    order under names of its own is taken too, as other libraries write them.
    Raises DataUnavailable for a file that is missing, holds no weights, or holds numbers that are not finite. No
    code in it is run.
    """
    found = weights_file.read(path, taker=settings.name)
    found = _with_own_head(_renamed(_bare(found, model), model), model)
    weights_file.refuse_not_finite(found, path)
    return {"state_dict": found, "custom_load": False} | _as_made(model)


def misfit(overlay: Overlay, model: nn.Module) -> str:
    """What the names and shapes of weights that do not fit look like beside the model's; empty for none at hand."""
    if "state_dict" not in overlay:
        return ""
    heads = _heads(model)
    found, own = (
        {name: value for name, value in each.items() if name.rpartition(".")[0] not in heads}
        for each in (overlay["state_dict"], model.state_dict())
    )
    if not own.keys() & found.keys():
        return f"its keys look like {_some(found)}, and the model has {_some(own)}"
    missing, left = own.keys() - found.keys(), found.keys() - own.keys()
    parts = [f"it lacks {_some(missing)}"] if missing else []
    parts += [f"it has {_some(left)} and the model has not"] if left else []
    for name in own:
        if name in found and found[name].shape != own[name].shape and not parts:
            there, here = (_shape(each[name]) for each in (found, own))
            parts.append(f"{name} is {there} in the file and {here} in the model")
    return ", ".join(parts)


def _some(names: Iterable[str]) -> str:
    """The first two, and how many more."""
    listed = list(names)
    more = len(listed) - 2
    return ", ".join(sorted(listed)[:2]) + (f" and {more} more" if more > 0 else "")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def _bare(found: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`found` without the prefix that all of its names have, such as `model.`, where the model has what is left."""
    own, bare = model.state_dict().keys(), found
    while bare and not own & bare.keys():
        first = {name.partition(".")[0] for name in bare}
        if len(first) > 1 or any("." not in name for name in bare):
            return found
        bare = {name.partition(".")[2]: value for name, value in bare.items()}
    return bare or found


def published(settings: TimmModel, model: nn.Module) -> Overlay:
    """The published weights: the copy in the local hub cache, else whatever timm downloads.

    Raises ProfileError where there are none, and DataUnavailable at once for none here and no network.
    """
    known = configuration(model)
    hub = known.get("hf_hub_id")
    if hub:
        for name in (known.get("hf_hub_filename"), "model.safetensors", "pytorch_model.bin"):
            cached = try_to_load_from_cache(hub, name) if name else None
            if isinstance(cached, str):
                return {"file": cached, "custom_load": False}
    address = constants.ENDPOINT if hub else known.get("url")
    if not address:
        raise ProfileError(
            "the plan",
            "model.pretrained",
            f"nobody has published weights for {settings.name}; leave it out",
        )
    disable_progress_bars()  # the terminal belongs to the console
    if constants.HF_HUB_OFFLINE or not reachable(str(address)):
        raise unreachable(settings, str(address))
    return {}


def unreachable(settings: TimmModel, address: str) -> DataUnavailable:
    """The one sentence about published weights that cannot be had."""
    host = urlsplit(address).hostname or address
    return DataUnavailable(
        f"the published weights of {settings.name} are not in the local cache and {host} cannot be "
        "reached; set model.weights to a file you have, or leave out model.pretrained"
    )


def _renamed(found: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`found` under the model's names, if it has none of them and every tensor has its counterpart in order."""
    own, heads = model.state_dict(), _heads(model)
    if own.keys() & found.keys() or len(own) != len(found):
        return found
    pairs = list(zip(own.items(), found.items(), strict=True))
    alike = all(
        mine.rpartition(".")[2] == theirs.rpartition(".")[2]
        and (a.shape == b.shape or mine.rpartition(".")[0] in heads)
        for (mine, a), (theirs, b) in pairs
    )
    return {mine: value for (mine, _), (_, value) in pairs} if alike else found


def _with_own_head(found: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`found` with a head of zeros wherever the file has none or one of another size."""
    own = model.state_dict()
    for head in _heads(model):
        weight = f"{head}.weight"
        if weight in own and (weight not in found or found[weight].shape != own[weight].shape):
            names = [name for name in (weight, f"{head}.bias") if name in own]
            found = found | {name: torch.zeros_like(own[name]) for name in names}
    return found


def renew_head(model: nn.Module) -> nn.Module:
    """`model` with a head of zeros, unless published weights have as many classes as it.

    So that a network that knows images begins as a guess, and no random head sends its noise down into it, as
    the reference code of vision transformers fine-tunes (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.2).
    """
    if configuration(model).get("num_classes") != model.num_classes:
        for head in _heads(model):
            for parameter in model.get_submodule(head).parameters():
                nn.init.zeros_(parameter)
    return model


def _heads(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers that give the logits."""
    heads = configuration(model).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)


def _as_made(model: nn.Module) -> Overlay:
    """What keeps timm from dropping the head: as many classes as the model has."""
    return {"num_classes": model.num_classes, "label_offset": 0}


def configuration(model: nn.Module) -> Overlay:
    """What timm knows of the model's published weights: classes, side of the images, where they are."""
    known = model.pretrained_cfg
    return dict(known) if isinstance(known, dict) else {}
