"""For timm and transformers: weights under timm's names, and a `config.json` that both libraries read.

model.safetensors   the weights
config.json         name and arguments of the network, classes, preparation of an image
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from revconsole.data import Standardisation
from revconsole.errors import NotExported, NotLoaded
from revconsole.models.timm import quietly
from revconsole.records.files.shared import set_mode
from revconsole.training.exports.subject import Subject
from revconsole.training.exports.timm_call import OTHERWISE, timm_call

LEVELS = 255.0


def write(subject: Subject, folder: Path) -> None:
    """Write weights and configuration. Raises NotExported for a network, or a preparation, that timm has not."""
    name, arguments = timm_call(subject.plan)
    config = _config(subject, name, dict(arguments))
    tensors = {k: v.detach().contiguous().clone() for k, v in subject.model.state_dict().items()}
    path = folder / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    set_mode(path)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def by_timm(subject: Subject, folder: Path) -> Tensor:
    """The logits of the network that timm reads from the folder."""
    with quietly():
        model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    with torch.inference_mode():
        logits: Tensor = model(subject.inputs)
    return logits


def by_transformers(subject: Subject, folder: Path) -> Tensor:
    """The logits of the network that transformers reads from the folder. Raises NotLoaded where it is not installed."""
    try:
        from transformers import AutoModelForImageClassification
        from transformers.utils.logging import disable_progress_bar
    except ImportError:
        raise NotLoaded(
            "--to hf reads what it writes with transformers, which is not installed: "
            "pip install 'revconsole[hf]'; --to timm writes the same files"
        ) from None
    disable_progress_bar()
    with quietly():
        model = AutoModelForImageClassification.from_pretrained(str(folder), local_files_only=True)
    with torch.inference_mode():
        logits: Tensor = model.eval()(pixel_values=subject.inputs).logits
    return logits


def loader(package: str) -> str:
    """A library with its version."""
    return f"{package} {version(package)}"


def _config(subject: Subject, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    plan, names = subject.plan, list(subject.names)
    mean, std = _per_channel(subject.state.data.test.preparation.standardisation)
    side = subject.pixels.shape[-1]
    whole = subject.state.data.test.images.shape[-1]
    return {
        "architecture": name,
        "num_classes": len(names),
        "label_names": names,
        "model_args": arguments,
        "pretrained_cfg": {
            "architecture": name,
            "num_classes": len(names),
            "input_size": [plan.facts.channels, *plan.image_shape],
            # Where it is true, timm passes `img_size` on, which networks for any size do not take.
            "fixed_input_size": "img_size" in arguments,
            "interpolation": "bilinear",
            "crop_pct": side / whole,
            "crop_mode": "center",
            "mean": mean,
            "std": std,
            **_ends(name),
        },
        "model_type": "timm_wrapper",
        "architectures": ["TimmWrapperForImageClassification"],
    }


def _ends(name: str) -> dict[str, Any]:
    """Where timm finds first layer and head of the network, as it has them noted."""
    noted = timm.models.get_pretrained_cfg(name)
    return {"first_conv": noted.first_conv, "classifier": noted.classifier}


def _per_channel(standardisation: Standardisation) -> tuple[list[float], list[float]]:
    """Mean and deviation per channel in [0, 1]. Raises NotExported for what timm's configuration cannot hold."""
    shift, scale = standardisation.shift, standardisation.scale
    if standardisation.whitening is not None or shift.shape[-1] != 1:
        raise NotExported(
            f"timm's configuration has a mean and a deviation per channel, and data.standardise has more; {OTHERWISE}"
        )
    channels = len(shift)
    return (
        (shift.flatten() / LEVELS).tolist(),
        (scale.expand(channels, 1, 1).flatten() / LEVELS).tolist(),
    )
