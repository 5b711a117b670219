"""What was exported of a run, and how far it computes what the run's own network does."""

from dataclasses import dataclass
from typing import Literal

Target = Literal["timm", "hf", "torch", "onnx"]
"""For whom a network is written: timm, transformers, torch without any library, or an ONNX runtime."""
TARGETS: tuple[Target, ...] = ("timm", "hf", "torch", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One export.

    of: the loader with its version. step: of the exported weights. channels, side, width: of the images that it takes; side is the height. names: of
    the classes. loading: lines of Python that load it. images: how many test images it was compared on, read back from its
    files. difference: the largest of two logits of an image there.
    """

    to: Target
    of: str
    step: int
    channels: int
    side: int
    width: int
    names: tuple[str, ...]
    preparation: str
    loading: tuple[str, ...]
    images: int
    difference: float
