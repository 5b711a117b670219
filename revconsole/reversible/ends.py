"""Twice as wide a norm and head, for schemes that hand on two streams side by side.

It takes a model that ends in `norm`, `fc_norm` and `head` right after its one stack, as vision
transformers do. Everything else has to fuse its streams by their mean.
"""

import copy
import math
from typing import Any

import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible.scheme import Scheme
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.trial import Run

NORMS = ("norm", "fc_norm")


def joins(scheme: Scheme) -> bool:
    """Whether the scheme hands on its streams side by side, twice as wide."""
    return getattr(scheme, "fuse", None) == "concat"


def require_end(model: nn.Module, blocks: list[list[nn.Module]], run: Run | None) -> None:
    """Raise NotInvertible unless the model's one stack leads straight to a norm and a linear head.

    blocks: the runs of the model. run: what was seen of the model, if it was run.
    """
    instead = "which the two streams of the scheme, side by side, would not fit: use fuse='mean'"
    if len(blocks) > 1:
        raise NotInvertible(f"further stages or stacks follow this one, {instead}")
    ends = {getattr(model, name, None) for name in (*NORMS, "head")}
    devices = {weight.device for weight in model.parameters() if weight.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        wide_ends(model)  # to see whether it can be done; its weights are not drawn for good
    last = None if run is None else run.once(blocks[0][-1])
    if run is None or last is None:
        return
    for module, calls in run.calls.items():
        weighs = any(True for _ in module.parameters(recurse=False))
        if weighs and module not in ends and any(call.turn > last.end for call in calls):
            raise NotInvertible(f"a {type(module).__name__} follows the stack, {instead}")


def wide_ends(model: Any) -> dict[str, nn.Module]:
    """The final norms and the head for streams joined to (…, 2D), initialised as timm does.

    Raises NotInvertible if the model does not end in `norm`, `fc_norm` and `head` alone.
    """
    head = getattr(model, "head", None)
    pooled = getattr(model, "attn_pool", None) is not None
    if pooled or hasattr(model, "head_dist") or not isinstance(head, nn.Linear | nn.Identity):
        raise NotInvertible(
            f"{type(model).__name__} does not end in one norm and one linear head, which this scheme "
            "has to make twice as wide: use fuse='mean'"
        )
    ends: dict[str, nn.Module] = {
        name: _wide_norm(norm)
        for name in NORMS
        if not isinstance(norm := getattr(model, name, nn.Identity()), nn.Identity)
    }
    if isinstance(head, nn.Linear):
        ends["head"] = _wide_head(model, head)
    return ends


def require_same_width(model: nn.Module, scheme: Scheme) -> None:
    """Raise NotInvertible if an earlier rewiring made the head another width than this one needs."""
    for module in model.modules():
        if isinstance(module, ReversibleSequence) and joins(module.scheme) != joins(scheme):
            raise NotInvertible(
                f"the model was rewired to {module.scheme}, whose head is not of the width that "
                f"{scheme} needs: rewire a fresh model"
            )


def _wide_norm(norm: nn.Module) -> nn.Module:
    """A norm like the given one over twice the width, with unit weights and no shift."""
    if not hasattr(norm, "normalized_shape"):
        raise NotInvertible(
            f"the final norm is a {type(norm).__name__}, of which no wider one can be made: "
            "use fuse='mean'"
        )
    wide: Any = copy.deepcopy(norm)
    width = 2 * math.prod(wide.normalized_shape)
    wide.normalized_shape = (width,)
    for name, old in list(wide.named_parameters()):
        fill = torch.zeros if name == "bias" else torch.ones
        new = fill(width, dtype=old.dtype, device=old.device)
        setattr(wide, name, nn.Parameter(new, requires_grad=old.requires_grad))
    return wide  # type: ignore[no-any-return]


def _wide_head(model: Any, head: nn.Linear) -> nn.Linear:
    wide = nn.Linear(
        2 * head.in_features,
        head.out_features,
        bias=head.bias is not None,
        dtype=head.weight.dtype,
        device=head.weight.device,
    )
    initialise = getattr(model, "_init_weights", None)  # how timm initialises one module
    if initialise is not None:
        initialise(wide)
    return wide.train(head.training)
