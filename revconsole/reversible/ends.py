"""Twice as wide a norm and head, for schemes that hand on two streams side by side.

It takes a model that ends in `norm`, `fc_norm` and `head` right after its one stack, as vision
transformers do. Everything else has to fuse its streams by their mean.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible.scheme import Scheme
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.trial import TrialRun

NORMS = ("norm", "fc_norm")


def joins(scheme: Scheme) -> bool:
    """Whether the scheme hands on its streams side by side, twice as wide."""
    return getattr(scheme, "fuse", None) == "concat"


def require_end(model: nn.Module, blocks: list[list[nn.Module]], run: TrialRun | None) -> None:
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
    ends_of = [] if run is None else run.calls.get(blocks[0][-1], [])
    if run is None or not ends_of:
        return
    last, *others = ends_of
    if others:
        raise NotInvertible(f"the model goes through this stack several times, {instead}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EndsGuard:
    """A hook on a model that notices a head that was made anew, and is too narrow for two streams."""

    width: int

    def __call__(self, model: Any, given: tuple[object, ...]) -> None:
        """Raise RevconsoleError if the head does not take the streams side by side."""
        del given
        head = getattr(model, "head", None)
        if isinstance(head, nn.Linear) and head.in_features != self.width:
            raise RevconsoleError(
                f"the head takes {head.in_features} numbers, and the scheme hands on two streams side "
                f"by side, {self.width}: it was made anew after rewiring; call reset_classifier before "
                "rewire, or use fuse='mean'"
            )


def put_ends(model: nn.Module, ends: Mapping[str, nn.Module]) -> None:
    """Put the wide norms and the head in place of the narrow ones."""
    for name, end in ends.items():
        setattr(model, name, end)
    widths = [
        end.in_features if isinstance(end, nn.Linear) else math.prod(end.normalized_shape)  # type: ignore[arg-type]  # what a norm is
        for end in ends.values()
    ]
    if widths:
        model.register_forward_pre_hook(EndsGuard(width=widths[0]))


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
