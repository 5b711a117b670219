"""Digits: 1,797 real scans of handwritten digits, 8×8 pixels, grey; ships with scikit-learn.

The scans hold 17 grey levels, 0 to 16; level v becomes ⌊(255 v + 8) / 16⌋, so 16 is white and halves round
up. scikit-learn has no official test set: ours is a fifth of each class, chosen once by a fixed seed, the
same for every run and person.
"""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from revconsole.data._images import Images, verified
from revconsole.data._order import stratified_order
from revconsole.records.datasets.facts import DatasetFacts

FACTS = DatasetFacts(
    title="digits",
    classes=10,
    channels=1,
    size=8,
    train_images=1437,
    test_images=360,
    mirror=False,
    source="Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI, its test part",
    licence="CC BY 4.0",
    mean=(0.3053,),
    std=(0.3759,),
    train_per_class=(142, 145, 142, 146, 145, 146, 145, 143, 139, 144),
    test_per_class=(36, 37, 35, 37, 36, 36, 36, 36, 35, 36),
)

NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
TEST_SEED = 0


def read(folder: Path) -> Images:  # noqa: ARG001  every dataset is read from the data folder; this one is installed
    """All images, from scikit-learn's installation."""
    return _installed()


def _scans() -> NDArray[np.int64]:
    """int64 (1797, 65): per row 64 grey levels and the digit. Importing scikit-learn would take a second or two."""
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return np.loadtxt(file, delimiter=",", dtype=np.int64)
    from sklearn.datasets import load_digits  # a version that keeps its files elsewhere

    scans = load_digits()
    return np.column_stack([scans.data, scans.target]).astype(np.int64)


@cache
def _installed() -> Images:
    """The images, unpacked once per process: it takes as long as a few steps."""
    scans = torch.from_numpy(_scans())
    levels, labels = scans[:, :-1].reshape(-1, 1, 8, 8), scans[:, -1]
    pixels = ((levels * 255 + 8) // 16).to(torch.uint8)

    order = stratified_order(labels, TEST_SEED)
    test = order[: FACTS.test_images].sort().values
    train = order[FACTS.test_images :].sort().values
    images = Images.of((pixels[train], labels[train]), (pixels[test], labels[test]), NAMES)
    return verified(images, FACTS, origin="scikit-learn's installation")
