"""Naming: which of the tensors of a file are the network, and by what names it knows them.

What trains a network puts it into something larger: `module.` and `_orig_mod.` around it, `model.` of Lightning,
`backbone.` beside a head of DINO's, a decoder of MAE's. Only the network is taken, and what is left out is said.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from revconsole.errors import DataUnavailable
from revconsole.models._huggingface import OF_NO_USE

LEAST_SHARE = 0.5
"""Share of the model's names from which a prefix is taken for that of the network."""
OF_PRETRAINING = ("decoder_", "masked_embed", *OF_NO_USE)
"""Beginnings of the names of what MAE, iBOT and transformers drop after pre-training."""
MASK = "mask_token"
REGISTERS, POSITIONS = "register_tokens", "pos_embed"
DINOV2 = ((REGISTERS, "reg_token"), (".mlp.w12.", ".mlp.fc1."), (".mlp.w3.", ".mlp.fc2."))
"""DINOv2's words and timm's, which timm itself changes when it loads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """The network's tensors. prefix: what preceded each of their names. left: names of the others."""

    weights: dict[str, Tensor]
    prefix: str
    left: tuple[str, ...]


def bare(weights: dict[str, Tensor], model: nn.Module, source: object) -> Bare:
    """The tensors of the network `model` in a file.

    source: the file, named in errors. Raises DataUnavailable for a file that holds the network twice.
    """
    own = {timm_name for timm_name in model.state_dict() if "." in timm_name}
    found = _prefixes(weights, own)
    most = max(found.values(), default=0)
    best = sorted((prefix for prefix, count in found.items() if count == most), key=len)
    if most < LEAST_SHARE * len(own):
        return Bare(weights=weights, prefix="", left=())
    if len(best) > 1:
        raise DataUnavailable(
            f"{source} holds the network twice, under {best[0]!r} and {best[1]!r}; save the state_dict of the one "
            "that is meant, for model.weights"
        )
    (prefix,) = best
    inside = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
    dropped = {name for name in inside if name.startswith(OF_PRETRAINING)}
    if any(name.startswith("decoder_") for name in dropped):
        dropped |= {MASK} & inside.keys()  # of DINOv2 timm takes it out
    outside = [name for name in weights if not name.startswith(prefix)]
    left = (*outside, *(f"{prefix}{name}" for name in inside if name in dropped))
    kept = {name: weight for name, weight in inside.items() if name not in dropped}
    return Bare(weights=kept, prefix=prefix, left=left)


def as_loaded(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the names they have once timm has loaded them."""
    if MASK not in names:
        return dict(names)
    loaded = {_of_timm(name): tensor for name, tensor in names.items() if name != MASK}
    if REGISTERS in names and POSITIONS in names:
        loaded[POSITIONS] = names[POSITIONS][:, 1:]  # that of the class token is added to it
    return loaded


def _of_timm(name: str) -> str:
    for theirs, ours in DINOV2:
        name = name.replace(theirs, ours)
    return name


def _prefixes(names: Iterable[str], own: set[str]) -> Counter[str]:
    """How many of the model's names stand behind each prefix."""
    found: Counter[str] = Counter()
    for name in names:
        start = 0
        while start >= 0:
            if name[start:] in own:
                found[name[:start]] += 1
            start = name.find(".", start) + 1 or -1
    return found
