"""The modules of a model one by one: shapes, parameters and multiply-adds. Plain values, shown without torch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleCost:
    """What one module has and computes itself, without the modules inside it.

    kind: its class. inputs, outputs: shapes for one image, empty where they are no tensors. calls: how often it runs.
    multiply_adds: of all its calls in the forward pass of one image.
    """

    name: str
    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    calls: int
    parameters: int
    multiply_adds: int
