"""MNIST: 70,000 handwritten digits, 28×28 pixels, grey.

Read from the four IDX files, plain or gzip, in torchvision's place, in `mnist/`, or downloaded.
"""

from pathlib import Path

from revconsole.data._files import download_files
from revconsole.data._idx import read_family
from revconsole.data._images import Images
from revconsole.records.datasets.facts import DatasetFacts

FACTS = DatasetFacts(
    title="MNIST",
    classes=10,
    channels=1,
    size=28,
    train_images=60000,
    test_images=10000,
    mirror=False,
    source="LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits",
    licence="none stated by the authors; widely distributed as CC BY-SA 3.0",
    mean=(0.1307,),
    std=(0.3081,),
    train_per_class=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    test_per_class=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    layouts=(
        (
            "plain",
            ("MNIST/raw", "mnist", "mnist/data"),
            (
                "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte",
            ),
        ),
        (
            "gzip",
            ("MNIST/raw", "mnist", "mnist/data"),
            (
                "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
            ),
        ),
    ),
    download_from=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
)  # fmt: skip

NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def read(folder: Path) -> Images:
    """All images. Raises DataUnavailable if they are missing and unreachable, or damaged."""
    return read_family(FACTS, NAMES, folder=folder, download=_download)


def _download(folder: Path) -> None:
    from torchvision.datasets import MNIST  # deferred: needed for a download only, slow to import

    download_files(MNIST.mirrors, MNIST.resources, into=folder / "MNIST" / "raw")
