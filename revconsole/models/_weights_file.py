"""A file of weights: named tensors, read without executing its content; any fault is one sentence.

Accepted are .safetensors, and files of `torch.save` with tensors only. In a checkpoint that holds more, the weights
are under `state_dict_ema`, `model_ema`, `state_dict` or `model`, as timm assumes.
"""

import pickle
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor

from revconsole.errors import DataUnavailable

Weights = dict[str, Tensor]
PARTS = ("state_dict_ema", "model_ema", "state_dict", "model")
TAKES = "model.weights takes a .safetensors, or a .pth with tensors only"
POINTER = b"version https://git-lfs"
MOST_NAMED = 4


def read(path: Path, *, taker: str) -> Weights:
    """The tensors by name, on the CPU. taker: the model they are for, named in errors. Raises DataUnavailable."""
    _refuse_other_files(path)
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with torch.serialization.safe_globals([Namespace]):  # of settings beside the weights
                content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except (OSError, RuntimeError, pickle.UnpicklingError, SafetensorError, EOFError, ValueError,
            AttributeError, KeyError, TypeError, IndexError) as error:  # fmt: skip
        raise DataUnavailable(
            f"{path} is not a file of weights that {taker} could load; {TAKES}"
        ) from error
    weights: Weights = clean_state_dict(_weights_in(content, path))
    return weights


def refuse_not_finite(weights: Weights, path: Path) -> None:
    """Raise DataUnavailable for the first tensor that holds nan or inf."""
    for name, tensor in weights.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        wrong = tensor.numel() - int(tensor.to(torch.float32).isfinite().sum())
        if wrong:
            raise DataUnavailable(
                f"{wrong:,} of {tensor.numel():,} numbers of {name} in {path} are not finite (nan or inf), so no "
                "network can start from it; choose an earlier checkpoint as model.weights"
            )


def _refuse_other_files(path: Path) -> None:
    """Raise DataUnavailable for a missing file, a folder, a git-lfs pointer or a TorchScript archive."""
    if not path.is_file():
        lacks = f"{path} is not a file" if path.exists() else f"there is no weights file {path}"
        raise DataUnavailable(f"{lacks}; correct model.weights")
    try:
        with path.open("rb") as opened:
            start = opened.read(len(POINTER))
    except OSError as error:
        raise DataUnavailable(
            f"the weights file {path} cannot be read: {error.strerror}; correct model.weights"
        ) from None
    if start == POINTER:
        raise DataUnavailable(
            f"{path} is a pointer of git-lfs and not the weights; `git lfs pull` fetches them for model.weights"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("/constants.pkl") or name == "constants.pkl" for name in names):
            raise DataUnavailable(
                f"{path} is a TorchScript archive, a program with its weights; {TAKES}: save its state_dict()"
            )


def _weights_in(content: Any, path: Path) -> dict[str, Any]:
    """The named tensors in the content of a file. Raises DataUnavailable, saying what it holds instead."""
    if not isinstance(content, dict):
        what = "nothing (None)" if content is None else f"a {type(content).__name__}"
        raise DataUnavailable(f"{path} holds {what} and no named tensors; correct model.weights")
    part = next((p for p in PARTS if content.get(p) is not None), None)
    entries = content if part is None else content[part]
    inside = "" if part is None else f" under {part!r}"
    if not isinstance(entries, dict):
        raise DataUnavailable(
            f"{path} holds a {type(entries).__name__}{inside} and no named tensors; correct model.weights"
        )
    if not entries:
        raise DataUnavailable(f"{path} holds no tensor{inside}; correct model.weights")
    others = [str(name) for name, value in entries.items() if not isinstance(value, Tensor)]
    if others or not all(isinstance(name, str) for name in entries):
        few = ", ".join(others[:MOST_NAMED]) + (", …" if len(others) > MOST_NAMED else "")
        kind = (
            type(entries[others[0]]).__name__ if others and others[0] in entries else "other keys"
        )
        raise DataUnavailable(
            f"{path} holds something other than named tensors{inside}: {few} ({kind}); save the state_dict() alone, or "
            "under 'state_dict', for model.weights"
        )
    return entries
