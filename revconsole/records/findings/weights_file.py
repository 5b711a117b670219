"""What a file of weights holds, and which model of timm's it fits."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One file of weights.

    kind: safetensors, torch or npz. part: key of the checkpoint that the weights are under, or empty. numbers: in all
    tensors. types: names of their types. looks_like: the network in one clause, empty if its names say nothing.
    of: the library whose names it has, where that is not timm. fits: names of timm models that take all of it. compared: how
    many were compared with it. epsilon: what its LayerNorms add to the variance, where a configuration beside it says that.
    own: settings of architecture `vit`, beside its defaults, that take it; empty if none do. heads_said: whether the
    number of heads among them is from a configuration, and not the usual one.
    """

    file: str
    kind: str
    part: str
    of: str
    tensors: int
    numbers: int
    types: tuple[str, ...]
    looks_like: str
    fits: tuple[str, ...]
    compared: int
    epsilon: float | None
    own: Mapping[str, str | float]
    heads_said: bool
    loaded: "LoadedWeights | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWeights:
    """What becomes of the file in one model.

    prefix: what preceded the names of the network. left: names in the file that are not the network's. renewed: layers
    that start from zeros, with their size in the file (0 if it has none) and in the model. resized: tensors with other
    shapes in the file and in the model.
    """

    model: str
    size: int
    channels: int
    classes: int
    taken: int
    prefix: str
    left: tuple[str, ...]
    renewed: Mapping[str, tuple[int, int]]
    resized: Mapping[str, tuple[str, str]]
