"""Weights: what a file holds, which of timm's models takes it, and what would be renewed."""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from revconsole.models import _weights_file as weights_file
from revconsole.models import timm as timm_models
from revconsole.models._epsilon import with_epsilon
from revconsole.models._huggingface import differences
from revconsole.models._naming import POSITIONS, as_loaded, bare
from revconsole.models._weights import heads_of, renamed, renewed_heads
from revconsole.models._weights_file import FileContent
from revconsole.records.findings.weights_file import LoadedWeights, WeightsFile
from revconsole.records.sections.model import TimmModel, Vit
from revconsole.training.questions.own_vit import settings_for

MOST_FITS = 3
"""Fitting models after which no more are looked for: many differ only in the size of the images or the training."""
TOLD = 25
"""Compared models after which progress is said."""
RESIZED = re.compile(r"(^|\.)(patch_embed\.proj\.weight|relative_position_bias_table)$")
"""Tensors that timm resizes with the image or the patch, beside the positions."""
WIDTHS = {
    192: "tiny", 384: "small", 768: "base", 1024: "large", 1152: "so400m", 1280: "huge", 1408: "giant", 1664: "giga",
    4096: "7b",
}  # fmt: skip
"""The words of widths in the names of vision transformers; a model of another word is not compared."""
OF_PATCH = re.compile(r"patch(\d+)")
FIRST_NORM = re.compile(r"^(.*?)blocks\.0\.norm1\.weight$")
NOT_BUILT = (
    RuntimeError,
    TypeError,
    ValueError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
)
ALWAYS = ("patch", "dim", "depth", "heads")
"""Settings of `vit` that are said even where they are the defaults."""
Weights = dict[str, Tensor]


def described(
    name: str,
    *,
    model: str = "",
    size: int | None = None,
    channels: int = 3,
    classes: int | None = None,
    say: Callable[[str], None],
) -> WeightsFile:
    """What a file of weights holds.

    model: timm's name of the only model to compare it with. size, channels, classes: of the images it would be trained
    on; unset are the model's own size and the classes of the file. say: receives progress. Raises DataUnavailable for what
    holds no weights, or does not fit `model`.
    """
    path = weights_file.located(name)
    content = weights_file.read(path, taker=model or "a model")
    weights = content.weights
    fits, compared = ([model], 1) if model else _fitting(content, path, say)
    loaded = None
    if fits:
        loaded = _loaded(content, fits[0], path, size=size, channels=channels, classes=classes)
    return WeightsFile(
        file=str(path),
        kind=content.kind,
        part=content.part,
        of=content.of,
        tensors=len(weights),
        numbers=sum(tensor.numel() for tensor in weights.values()),
        types=tuple(sorted({str(t.dtype).removeprefix("torch.") for t in weights.values()})),
        looks_like=_transformer(weights),
        fits=tuple(fits),
        compared=compared,
        epsilon=content.computes.epsilon,
        own=_own_settings(content),
        heads_said=content.computes.heads is not None,
        loaded=loaded,
    )


def _candidates(weights: Weights) -> list[str]:
    """Timm's models whose first layer is in the file and whose name does not speak against it, short names first."""
    first_norm = next((w for name, w in weights.items() if FIRST_NORM.match(name)), None)
    width = "" if first_norm is None else WIDTHS.get(first_norm.numel(), "")
    others = [word for word in WIDTHS.values() if width and word != width]
    sides = {w.shape[-1] for name, w in weights.items() if name.endswith("patch_embed.proj.weight")}
    chosen = []
    for name in timm.list_models():
        patch, configuration = OF_PATCH.search(name), get_pretrained_cfg(name)
        first = configuration.first_conv if configuration else None
        firsts = (first,) if isinstance(first, str) else tuple(first or ())
        speaks_against = (patch and int(patch[1]) not in sides) or any(w in name for w in others)
        if firsts and not speaks_against and all(_ends(weights, f"{f}.weight") for f in firsts):
            chosen.append(name)
    return sorted(chosen, key=lambda name: (width not in name, len(name), name))


def _ends(names: Iterable[str], ending: str) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for name in names)


def _own_settings(content: FileContent) -> dict[str, str | float]:
    """The settings of architecture `vit` that differ from its defaults or that a file shows; empty if it is not one."""
    prefix = next((m[1] for m in map(FIRST_NORM.match, content.weights) if m), None)
    if prefix is None:
        return {}
    found = settings_for(content.weights, prefix, content.computes)
    if found is None:
        return {}
    shown = found.model_dump(exclude_defaults=True) | found.model_dump(include=set(ALWAYS))
    return {name: shown[name] for name in sorted(shown, key=list(Vit.model_fields).index)}


def _fitting(content: FileContent, path: Path, say: Callable[[str], None]) -> tuple[list[str], int]:
    """(the first models that take the whole file, number of compared ones)."""
    weights = content.weights
    names, fits = _candidates(weights), list[str]()
    for number, name in enumerate(names, 1):
        if number % TOLD == 0:
            say(f"compared with {number} of {len(names)} models of timm's")
        try:
            with timm_models.quietly(), torch.device("meta"):
                candidate = timm.create_model(name)
        except NOT_BUILT:  # timm's constructors raise anything
            continue
        if _takes(candidate, bare(weights, candidate, path).weights) and _computes(
            candidate, content
        ):
            fits.append(name)
        if len(fits) == MOST_FITS:
            return fits, number
    return fits, len(names)


def _computes(model: nn.Module, content: FileContent) -> bool:
    """Whether a model that takes the file computes what the configuration beside it says, with that epsilon."""
    says = content.computes
    return not any(differences(says, with_epsilon(model, says.epsilon)))


def _takes(model: nn.Module, weights: Weights) -> bool:
    """Whether names and shapes are the model's, but for the head and for what timm resizes."""
    heads = heads_of(model)
    file, own = (
        {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in heads}
        for tensors in (as_loaded(weights), model.state_dict())
    )
    return file.keys() == own.keys() and all(
        tensor.shape == own[name].shape or _resizable(model, name, tensor, own[name])
        for name, tensor in file.items()
    )


def _resizable(model: nn.Module, name: str, tensor: Tensor, own: Tensor) -> bool:
    """Whether timm resizes a tensor of the file to the model's."""
    if name == POSITIONS and tensor.ndim == own.ndim == 3 and tensor.shape[-1] == own.shape[-1]:
        first = (
            0 if getattr(model, "no_embed_class", False) else getattr(model, "num_prefix_tokens", 0)
        )
        patches = tensor.shape[1] - first
        return patches > 0 and math.isqrt(patches) ** 2 == patches
    return RESIZED.search(name) is not None and tensor.ndim == own.ndim


def _loaded(
    content: FileContent,
    name: str,
    path: Path,
    *,
    size: int | None,
    channels: int,
    classes: int | None,
) -> LoadedWeights:
    """What becomes of the weights in a model that is really built with them. Raises as `timm_models.build` does."""
    timm_models.refuse_unknown(name)
    with timm_models.quietly(), torch.device("meta"):
        plain = timm.create_model(name)
    side = size or int(plain.pretrained_cfg["input_size"][-1])
    found = bare(content.weights, plain, path)
    file = renamed(found.weights, plain)
    there = {head: _classes(file, head) for head in heads_of(plain)}
    wanted = classes or max(there.values(), default=0) or int(plain.num_classes)
    settings = TimmModel(name=name, weights=str(path), norm_eps=content.computes.epsilon)
    with timm_models.quietly():
        model = timm_models.build(settings, size=side, channels=channels, classes=wanted)
    zeros = renewed_heads(file, model)
    renewed = {head: (count, wanted) for head, count in there.items() if head in zeros}
    own, resized, taken = model.state_dict(), {}, 0
    for each, tensor in as_loaded(file).items():
        if each in own and each.rpartition(".")[0] not in renewed:
            taken += 1
            if own[each].shape != tensor.shape:
                resized[each] = _shape(tensor), _shape(own[each])
    return LoadedWeights(
        model=name, size=side, channels=channels, classes=wanted, taken=taken,
        prefix=found.prefix, left=found.left, renewed=renewed, resized=resized,
    )  # fmt: skip


def _classes(weights: Weights, head: str) -> int:
    """Number of classes of a head in a file; 0 without it."""
    weight = weights.get(f"{head}.weight")
    return 0 if weight is None else len(weight)


def _transformer(weights: Weights) -> str:
    """A vision transformer in one clause, from the shapes of its tensors; empty for another network."""
    prefix = next((m[1] for m in map(FIRST_NORM.match, weights) if m), None)
    if prefix is None:
        return ""
    inside = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
    blocks = {n.split(".")[1] for n in inside if n.startswith("blocks.")}
    parts = [f"width {inside['blocks.0.norm1.weight'].numel()}", f"{len(blocks)} blocks"]
    if "patch_embed.proj.weight" in inside:
        _, channels, height, width = inside["patch_embed.proj.weight"].shape
        parts.append(f"patches of {height}×{width} pixels in {channels} channels")
    if "pos_embed" in inside and inside["pos_embed"].ndim > 1:
        parts.append(f"{inside['pos_embed'].shape[-2]} positions")
    if "blocks.0.mlp.fc1.weight" in inside:
        parts.append(f"an MLP of {inside['blocks.0.mlp.fc1.weight'].shape[0]}")
    if "head.weight" in inside:
        parts.append(f"{inside['head.weight'].shape[0]} classes")
    return f"a transformer: {', '.join(parts)}"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
