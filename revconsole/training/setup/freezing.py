"""Freezing: parameters that keep their first values, by pattern or all but the head."""

from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.errors import ProfileError

BACKBONE = "backbone"
HEADS = ("get_classifier", "head", "fc", "classifier")
"""Where models keep their head: timm's method, and the usual names."""
KEY = "train.freeze"


def freeze(model: nn.Module, asked: str | None) -> None:
    """Stop the asked-for parameters from training; a batch norm that is frozen keeps its statistics and normalises by them.

    asked: `backbone` for all but the head, or shell patterns of parameter names, separated by commas.
    Raises ProfileError for a pattern that fits nothing, a model without a head, or where nothing would be left.
    """
    if asked is None:
        return
    names = [name for name, _ in model.named_parameters()]
    frozen = _backbone(model) if asked == BACKBONE else _matching(asked, names)
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    for module in model.modules():
        if _frozen_norm(module):
            module.register_forward_pre_hook(_by_its_statistics)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ProfileError("the plan", KEY, f"{asked!r} freezes everything, so nothing would train")


def _frozen_norm(module: nn.Module) -> bool:
    if not isinstance(module, _NormBase) or module.running_mean is None or module.weight is None:
        return False
    return not any(parameter.requires_grad for parameter in module.parameters())


def _by_its_statistics(module: nn.Module, _: object) -> None:
    """A hook, as whoever puts the model back into training puts all of its modules there."""
    module.training = False


def head_of(model: nn.Module) -> nn.Module | None:
    """The part that tells classes apart, if it can be told."""
    return next((part for name in HEADS if (part := _part(model, name)) is not None), None)


def _matching(asked: str, names: list[str]) -> set[str]:
    frozen: set[str] = set()
    for pattern in filter(None, (part.strip() for part in asked.split(","))):
        found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            near = get_close_matches(pattern, [BACKBONE, *names], n=3, cutoff=0.0)
            hint = " or ".join(repr(name) for name in near)
            raise ProfileError(
                "the plan", KEY, f"no parameter is called {pattern!r}; did you mean {hint}?"
            )
        frozen |= found
    return frozen


def _backbone(model: nn.Module) -> set[str]:
    """Names of all parameters outside the head."""
    head = head_of(model)
    if head is None:
        raise ProfileError(
            "the plan",
            KEY,
            f"{type(model).__name__} has no head that could train alone; name what to freeze",
        )
    own = {id(parameter) for parameter in head.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) not in own}


def _part(model: nn.Module, name: str) -> nn.Module | None:
    """A part of the model, from an attribute or a method, if it has parameters."""
    part = getattr(model, name, None)
    if callable(part) and not isinstance(part, nn.Module):
        part = part()
    return part if isinstance(part, nn.Module) and any(True for _ in part.parameters()) else None
