"""Freezing: parameters that keep their initial values, selected by pattern or as everything but the head."""

from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.errors import ProfileError

BACKBONE = "backbone"
HEADS = ("get_classifier", "head", "fc", "classifier")
"""Names under which models keep their head: timm's method first, then the usual attributes."""
KEY = "train.freeze"


def freeze(model: nn.Module, selection: str | None) -> None:
    """Exclude parameters from training; a frozen batch norm keeps its statistics and normalises by them.

    selection: `backbone` for everything but the head, or shell patterns of parameter names, separated by commas. Raises
    ProfileError for a pattern without a match, a model without a head, or if nothing would train.
    """
    if selection is None:
        return
    names = [name for name, _ in model.named_parameters()]
    frozen = _backbone(model) if selection == BACKBONE else _matching(selection, names)
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    for module in model.modules():
        if _frozen_norm(module):
            module.register_forward_pre_hook(_keep_in_evaluation)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ProfileError.of_plan(KEY, f"{selection!r} freezes everything, so nothing would train")


def _frozen_norm(module: nn.Module) -> bool:
    if not isinstance(module, _NormBase) or module.running_mean is None or module.weight is None:
        return False
    return not any(parameter.requires_grad for parameter in module.parameters())


def _keep_in_evaluation(module: nn.Module, _: object) -> None:
    """Pre-forward hook: keeps a frozen BatchNorm in evaluation mode, because model.train() would reset it."""
    module.training = False


def head_names(model: nn.Module) -> set[str]:
    """Names of the parameters of a model's classifier head; empty if it cannot be identified."""
    heads = (part for name in HEADS if (part := _part(model, name)) is not None)
    own = {id(parameter) for head in islice(heads, 1) for parameter in head.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in own}


def _matching(patterns: str, names: list[str]) -> set[str]:
    frozen: set[str] = set()
    for pattern in filter(None, (part.strip() for part in patterns.split(","))):
        matches = {name for name in names if fnmatchcase(name, pattern)}
        if not matches:
            near = get_close_matches(pattern, [BACKBONE, *names], n=3, cutoff=0.0)
            hint = " or ".join(repr(name) for name in near)
            raise ProfileError.of_plan(
                KEY, f"no parameter is called {pattern!r}; did you mean {hint}?"
            )
        frozen |= matches
    return frozen


def _backbone(model: nn.Module) -> set[str]:
    """Names of all parameters outside the head. Raises ProfileError if the model has no head."""
    heads = head_names(model)
    if not heads:
        raise ProfileError.of_plan(
            KEY, f"{type(model).__name__} has no head to train alone; name the parameters to freeze"
        )
    return {name for name, _ in model.named_parameters()} - heads


def _part(model: nn.Module, name: str) -> nn.Module | None:
    """A submodule with parameters, from an attribute or a method of the model; None if there is none."""
    part = getattr(model, name, None)
    if callable(part) and not isinstance(part, nn.Module):
        part = part()
    return part if isinstance(part, nn.Module) and any(True for _ in part.parameters()) else None
