"""Digits: 1,797 real scans of handwritten digits, 8×8 pixels, grey; ships with scikit-learn.

The scans hold 17 grey levels, 0 to 16; level v becomes ⌊(255 v + 8) / 16⌋, so 16 is white and halves round
up. scikit-learn has no official test set: ours is a fifth of each class, chosen once by a fixed seed, the
same for every run and person.
"""

from pathlib import Path

import torch

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
    from sklearn.datasets import load_digits  # deferred: two seconds to import

    scans = load_digits()
    levels = torch.from_numpy(scans.images).to(torch.int64).unsqueeze(1)
    pixels = ((levels * 255 + 8) // 16).to(torch.uint8)
    labels = torch.from_numpy(scans.target).to(torch.int64)

    order = stratified_order(labels, TEST_SEED)
    test = order[: FACTS.test_images].sort().values
    train = order[FACTS.test_images :].sort().values
    images = Images(
        train_images=pixels[train],
        train_labels=labels[train],
        test_images=pixels[test],
        test_labels=labels[test],
        names=NAMES,
    )
    return verified(images, FACTS, origin="scikit-learn's installation")
