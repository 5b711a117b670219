"""A file of weights: named tensors, read without executing its content; any fault is one sentence.

Accepted are .safetensors, files of `torch.save` with tensors only, and Google's .npz. In a checkpoint that holds more,
the weights are under `state_dict_ema`, `model_ema`, `state_dict` or `model`, as timm assumes, or under `teacher`, which
DINO and iBOT evaluate.
"""

import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import clean_state_dict
from torch import Tensor

from revconsole.errors import DataUnavailable
from revconsole.models import _google, _huggingface
from revconsole.models._huggingface import Computation
from revconsole.records.sections.model import ON_HUB

Weights = dict[str, Tensor]
PARTS = ("state_dict_ema", "model_ema", "state_dict", "model", "teacher", "student")
TAKES = "model.weights takes a .safetensors, a .pth with tensors only, or Google's .npz"
POINTER = b"version https://git-lfs"
MOST_NAMED = 4
IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""Names of the weights in a folder or repository of the hub."""
UNREAD = (
    OSError, RuntimeError, pickle.UnpicklingError, SafetensorError, EOFError, ValueError, AttributeError, KeyError,
    TypeError, IndexError, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip
"""What the readers raise for a damaged file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """The tensors of a file by name, on the CPU.

    kind: safetensors, torch or npz. part: the key of the checkpoint that they are under, or empty. of: the library whose
    names were translated, or empty. computes: what a configuration beside the file says.
    """

    weights: Weights
    kind: str
    part: str = ""
    of: str = ""
    computes: Computation = field(default_factory=Computation)


def located(name: str) -> Path:
    """The file that `model.weights` names: itself, the one in a folder, or the copy in the local hub cache.

    Nothing is downloaded. Raises DataUnavailable for what is not in the cache.
    """
    if name.startswith(ON_HUB):
        return _cached(name.removeprefix(ON_HUB))
    path = Path(name).expanduser()
    inside = [path / each for each in IN_FOLDER]
    return next((each for each in inside if each.is_file()), path)


def _cached(repository: str) -> Path:
    """The weights of a repository in the local hub cache."""
    try:
        found = [try_to_load_from_cache(repository, each) for each in IN_FOLDER]
    except HFValidationError:
        raise DataUnavailable(
            f"{repository!r} is no name of the hub; write {ON_HUB}OWNER/NAME as model.weights"
        ) from None
    for file in found:
        if isinstance(file, str):
            return Path(file)
    raise DataUnavailable(
        f"{repository} is not in the local hub cache, and model.weights downloads nothing; "
        f"`hf download {repository}` fetches it"
    )


def read(path: Path, *, taker: str) -> FileContent:
    """The tensors by name. taker: the model they are for, named in errors. Raises DataUnavailable."""
    _refuse_other_files(path)
    kind = {".safetensors": "safetensors", ".npz": "npz"}.get(path.suffix, "torch")
    try:
        content = _READERS[kind](path)
    except MemoryError:
        raise
    except UNREAD as error:
        raise DataUnavailable(
            f"{path} is not a file of weights that {taker} could load; {TAKES}"
        ) from error
    if kind == "npz":
        return FileContent(weights=_of_arrays(content, path), kind=kind)
    part, tensors = _weights_in(content, path)
    weights = clean_state_dict(tensors)
    theirs = _huggingface.is_huggingface(weights)
    configured = theirs or path.name in IN_FOLDER
    return FileContent(
        weights=_huggingface.translated(weights),
        kind=kind,
        part=part,
        of="transformers" if theirs else "",
        computes=_huggingface.computation(path) if configured else Computation(),
    )


def _of_torch(path: Path) -> Any:
    with torch.serialization.safe_globals([Namespace]):  # of settings beside the weights
        return torch.load(path, map_location="cpu", weights_only=True)


def _of_numpy(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


_READERS: Mapping[str, Callable[[Path], Any]] = {
    "safetensors": load_file,
    "torch": _of_torch,
    "npz": _of_numpy,
}


def _of_arrays(arrays: Mapping[str, Any], path: Path) -> Weights:
    """The tensors of an .npz by timm's names. Raises DataUnavailable unless it is a vision transformer of Google's."""
    odd = next((name for name, array in arrays.items() if array.dtype.kind not in "fiu"), None)
    if odd is not None:
        raise DataUnavailable(
            f"{path} holds {arrays[odd].dtype} in {odd}, and numpy knows numbers of no such kind; save it as float32, "
            "for model.weights"
        )
    if not _google.is_google(arrays):
        some = ", ".join(list(arrays)[:MOST_NAMED]) or "nothing"
        raise DataUnavailable(
            f"{path} holds {some} and no {_google.ANCHOR}, so it is no vision transformer of Google's; {TAKES}"
        )
    try:
        return _google.translated(arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise DataUnavailable(
            f"{path} is no whole vision transformer of Google's ({error}); correct model.weights"
        ) from error


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


def _weights_in(content: Any, path: Path) -> tuple[str, dict[str, Any]]:
    """(key of the part, its named tensors) in the content of a file. Raises DataUnavailable, saying what it holds instead."""
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
    return part or "", entries
