"""Datasets, one file each, and how a run opens them.

A file without an underscore is a dataset: the first line of its docstring describes it, `FACTS` holds what is known
about it (literals only, read without importing torch), and `read(folder)` returns its images or raises DataUnavailable
with a remedy; if `FACTS.by_settings` names settings that determine the content, it is `read(folder, settings, say)`.
Read `_opening` first (splits, fingerprint), then `_standardise` and `_batches` (order, augmentation). The other
underscore files read formats. May import torch, torchvision, numpy, scikit-learn, and of revconsole `records`, `errors`.
"""

from revconsole.data._augment import mirrored, resized_crops
from revconsole.data._batches import (
    Batch,
    batches,
    dominant,
    evaluation_batches,
    of_classes,
    resized,
    steps_per_epoch,
)
from revconsole.data._doubts import doubts
from revconsole.data._opening import OpenedData, OpenedSplit, Preparation, open_data
from revconsole.data._placing import moved, unused
from revconsole.data._points import as_pixel_levels, as_points
from revconsole.data._standardise import Standardisation
from revconsole.data._stored import middle, only

__all__ = [
    "Batch", "OpenedData", "OpenedSplit", "Preparation", "Standardisation", "as_pixel_levels", "as_points",
    "batches", "dominant", "doubts", "evaluation_batches", "middle", "mirrored", "moved", "of_classes", "only",
    "open_data",    "resized", "resized_crops", "steps_per_epoch", "unused",
]  # fmt: skip
