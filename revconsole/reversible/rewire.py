"""Turning the residual stacks of an ordinary model into reversible sequences, in place.

A stack is an `nn.Sequential` of modules of one class whose branches are known (see `branches`) and
add up to the module's own forward. That is checked on a small input, so a block that only looks
like one is not taken. The sequence holds the same modules under the same names: `state_dict` keys
do not change, and weights load strictly both ways. The one exception is `additive` with `concat`,
whose final norm and head are twice as wide under the same names.

It fits timm's VisionTransformer and its like. Everything else a model does (stem, prefix tokens,
pooling, head) is left alone.
"""

import copy
import logging
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible.branches import branches, step
from revconsole.reversible.scheme import Backward, Scheme, make_scheme
from revconsole.reversible.schemes.additive import Additive
from revconsole.reversible.sequence import ReversibleSequence

Model = TypeVar("Model", bound=nn.Module)
log = logging.getLogger(__name__)
PROBE_TOKENS = 4  # enough for attention to mix, few enough to cost nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The stacks of a model: those that can be rewired, with their depth, and those that cannot.

    fit:  path in the model → number of blocks.
    left: path in the model → why it is left alone.
    """

    fit: Mapping[str, int]
    left: Mapping[str, str]


def survey(model: nn.Module, scheme: Scheme | str = "bdia") -> Survey:
    """Look for residual stacks, without changing the model, and say which the scheme can take."""
    wired = make_scheme(scheme) if isinstance(scheme, str) else scheme
    fit: dict[str, int] = {}
    left: dict[str, str] = {}
    for path, module in model.named_modules():
        inside = any(path.startswith(f"{taken}.") for taken in fit)
        if inside or not _is_stack(module):
            continue
        try:
            _require_fit(module, wired)
        except NotInvertible as misfit:
            left[path] = str(misfit)
        else:
            fit[path] = len(module)
    return Survey(fit=fit, left=left)


def rewire(model: Model, scheme: Scheme | str = "bdia", backward: Backward = "reversible") -> Model:
    """Replace every fitting stack of the model by a `ReversibleSequence`; returns the same model.

    scheme: a name, with that scheme's defaults, or a value such as `Bdia(grid_bits=9)`. A model
    that is rewired already may be rewired again, except from or to another width of its head.
    Stacks that are left alone beside rewired ones are logged as warnings with the reason;
    `survey(model, scheme)` tells beforehand.
    Raises NotInvertible if there is nothing to rewire, saying what was tried, or if the scheme
    cannot run backward reversibly over that many blocks; the model is then unchanged.
    """
    wired = make_scheme(scheme) if isinstance(scheme, str) else scheme
    found = survey(model, wired)
    if not found.fit:
        tried = "; ".join(f"{path}: {reason}" for path, reason in found.left.items())
        raise NotInvertible(
            f"{type(model).__name__} has no stack of residual blocks to rewire "
            f"({tried or 'no nn.Sequential of like blocks'})"
        )
    if backward == "reversible":
        for blocks in found.fit.values():
            wired.require_inverse(blocks)
    _require_same_width(model, wired)

    joined_before = any(isinstance(module, ReversibleSequence) for module in model.modules())
    ends = _wide_ends(model) if _joins(wired) and not joined_before else {}
    for name, end in ends.items():
        setattr(model, name, end)
    for path in found.fit:
        parent, _, name = path.rpartition(".")
        sequence = _sequence(model.get_submodule(path), wired, backward)
        setattr(model.get_submodule(parent), name, sequence)
    for path, reason in found.left.items():
        log.warning("left %s as it was: %s", path, reason)
    return model


def _is_stack(module: nn.Module) -> bool:
    """A run of modules of one class, each made of others, with parameters."""
    if not isinstance(module, nn.Sequential) or not len(module):
        return False
    alike = len({type(block) for block in module}) == 1
    made_of_others = all(any(True for _ in block.children()) for block in module)
    return alike and made_of_others and any(True for _ in module.parameters())


def _sequence(stack: nn.Module, scheme: Scheme, backward: Backward) -> ReversibleSequence:
    blocks = OrderedDict(stack._modules)  # noqa: SLF001  named_children hides a block used twice
    named = OrderedDict((name, block) for name, block in blocks.items() if block is not None)
    return ReversibleSequence(named, scheme=scheme, backward=backward).train(stack.training)


def _require_fit(stack: nn.Module, scheme: Scheme) -> None:
    """Raise NotInvertible if a block's branches are unknown, too many, or not all it does."""
    for index, block in enumerate(stack.children()):
        branches(block)
        scheme.couplings(block, index, None)
        width = _width(block)
        if width is not None and not _adds_up(block, width):
            raise NotInvertible(
                f"block {index} ({type(block).__name__}) has the parts of a pre-norm transformer "
                "block but computes something else with them"
            )


def _width(block: nn.Module) -> int | None:
    """The width D of a transformer block that can be tried out; None for one that declares its branches."""
    if callable(getattr(block, "branches", None)) or any(p.is_meta for p in block.parameters()):
        return None
    first = next(block.norm1.parameters(), None) if isinstance(block.norm1, nn.Module) else None
    return None if first is None else first.numel()


def _adds_up(block: Any, width: int) -> bool:
    """Whether the block's forward is the sum of its branches, on one small input in evaluation."""
    like = next(block.parameters())
    x = torch.linspace(-2.0, 2.0, PROBE_TOKENS * width).sin().reshape(1, PROBE_TOKENS, width)
    x = x.to(like)
    with torch.no_grad(), _evaluating(block):
        try:
            return torch.allclose(block.forward(x), step(block)(x))
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise NotInvertible(
                f"a {type(block).__name__} does not run on tokens alone ({error})"
            ) from error


@contextmanager
def _evaluating(block: nn.Module) -> Iterator[None]:
    """Put the block in evaluation, and each of its modules back as it was."""
    modes = [(module, module.training) for module in block.modules()]
    block.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _wide_ends(model: Any) -> dict[str, nn.Module]:
    """The final norms and the head for streams joined to (…, 2D), initialised as timm does.

    Raises NotInvertible if the model does not end in `norm`, `fc_norm` and `head` alone.
    """
    head = getattr(model, "head", None)
    pooled = getattr(model, "attn_pool", None) is not None
    if pooled or hasattr(model, "head_dist") or not isinstance(head, nn.Linear | nn.Identity):
        raise NotInvertible(
            f"{type(model).__name__} does not end in one norm and one linear head, which the scheme "
            "additive has to make twice as wide: use Additive(fuse='mean')"
        )
    ends: dict[str, nn.Module] = {
        name: _wide_norm(norm)
        for name in ("norm", "fc_norm")
        if not isinstance(norm := getattr(model, name, nn.Identity()), nn.Identity)
    }
    if isinstance(head, nn.Linear):
        ends["head"] = _wide_head(model, head)
    return ends


def _wide_norm(norm: nn.Module) -> nn.Module:
    """A norm like the given one over twice the width, with unit weights and no shift."""
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


def _require_same_width(model: nn.Module, scheme: Scheme) -> None:
    """Raise NotInvertible if an earlier rewiring made the head another width than this one needs."""
    for module in model.modules():
        if isinstance(module, ReversibleSequence) and _joins(module.scheme) != _joins(scheme):
            raise NotInvertible(
                f"the model was rewired to {module.scheme}, whose head is not of the width that "
                f"{scheme} needs: rewire a fresh model"
            )


def _joins(scheme: Scheme) -> bool:
    """Whether the scheme hands on its streams side by side, twice as wide."""
    return isinstance(scheme, Additive) and scheme.fuse == "concat"
