"""Blocks: the numbered parts of any network, by the names of its parameters."""

from collections.abc import Iterator

from torch import Tensor, nn


def numbered(name: str) -> str:
    """A parameter's name up to its first number, `blocks.3` of `blocks.3.mlp.fc1.weight`; empty without one."""
    words = name.split(".")
    place = next((index for index, word in enumerate(words) if word.isdigit()), None)
    return "" if place is None else ".".join(words[: place + 1])


def blocks_of(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The trained parameters of each numbered part, in the order of the network."""
    blocks: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        block = numbered(name)
        if block and parameter.requires_grad:
            blocks.setdefault(block, []).append(parameter)
    return blocks


def weights_of_units(model: nn.Module) -> Iterator[Tensor]:
    """The trained weights of linear layers and convolutions, a row for each unit; none computed from others (weight norm)."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    for module in model.modules():
        weight: Tensor | None = module.weight if isinstance(module, kinds) else None
        if isinstance(weight, nn.Parameter) and weight.requires_grad:
            yield weight
