"""Where the first weights of a timm model come from, as what timm calls an overlay of its configuration.

timm and its hub retry for most of a minute before they report that there is no network, and load a file whose
head differs without noticing that nothing else fits. Both are settled here, before timm is asked.
"""

import pickle
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import torch
from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.utils.tqdm import disable_progress_bars
from safetensors import SafetensorError
from timm.models import load_state_dict
from torch import Tensor, nn

from revconsole.errors import DataUnavailable
from revconsole.records.sections import Timm

REACH_SECONDS = 5.0
"""A hub that does not answer so soon is taken for out of reach."""

Overlay = dict[str, Any]


def from_file(settings: Timm, path: Path, model: nn.Module) -> Overlay:
    """The weights of a local file; a head with another number of classes gives way to one of zeros.

    Loading stays strict otherwise: a file for another architecture is refused, not half used. A file that holds the
    same tensors in the same order under names of its own is taken too, as other libraries write them.
    Raises DataUnavailable for a file that is missing or holds no weights. No code in it is run.
    """
    if not path.is_file():
        raise DataUnavailable(f"there is no weights file {path}; correct model.weights")
    try:
        found = load_state_dict(str(path), weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, SafetensorError, EOFError) as error:
        raise DataUnavailable(
            f"{path} is not a file of weights that {settings.name} could load; "
            "model.weights takes a .safetensors, or a .pth with tensors only"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise DataUnavailable(
            f"{path} holds something else than named tensors; correct model.weights"
        )
    found = _with_own_head(_renamed(found, model), model)
    return {"state_dict": found, "custom_load": False} | _as_made(model)


def published(settings: Timm, model: nn.Module) -> Overlay:
    """The published weights: the copy in the local hub cache, else whatever timm downloads.

    Raises DataUnavailable at once where there are none, or none here and no network.
    """
    known = _configuration(model)
    hub = known.get("hf_hub_id")
    if hub:
        for name in (known.get("hf_hub_filename"), "model.safetensors", "pytorch_model.bin"):
            cached = try_to_load_from_cache(hub, name) if name else None
            if isinstance(cached, str):
                return {"file": cached, "custom_load": False}
    address = constants.ENDPOINT if hub else known.get("url")
    if not address:
        raise DataUnavailable(
            f"nobody has published weights for {settings.name}; leave out model.pretrained"
        )
    disable_progress_bars()  # the terminal belongs to the console
    if constants.HF_HUB_OFFLINE or not _reachable(str(address)):
        raise unreachable(settings, str(address))
    return {}


def unreachable(settings: Timm, address: str) -> DataUnavailable:
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
    if _configuration(model).get("num_classes") != model.num_classes:
        for head in _heads(model):
            for parameter in model.get_submodule(head).parameters():
                nn.init.zeros_(parameter)
    return model


def _heads(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers that give the logits."""
    heads = _configuration(model).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)


def _as_made(model: nn.Module) -> Overlay:
    """What keeps timm from dropping the head: as many classes as the model has."""
    return {"num_classes": model.num_classes, "label_offset": 0}


def _configuration(model: nn.Module) -> Overlay:
    known = model.pretrained_cfg
    return dict(known) if isinstance(known, dict) else {}


def _reachable(address: str) -> bool:
    """Whether a server answers there, through whatever proxy the environment names."""
    parts = urlsplit(address)
    root = f"{parts.scheme}://{parts.netloc}"
    try:
        with urlopen(Request(root, method="HEAD"), timeout=REACH_SECONDS):  # noqa: S310  timm's own address
            return True
    except HTTPError:
        return True  # it answered
    except OSError:
        return False
