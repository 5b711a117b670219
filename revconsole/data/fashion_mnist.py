"""Fashion-MNIST: 70,000 articles of clothing, 28×28 pixels, grey.

Read from the four IDX files, plain or gzip, in torchvision's place, in `fashion_mnist/`, where Debian's
package `dataset-fashion-mnist` installs them, or downloaded.
"""

from pathlib import Path

from revconsole.data._files import download_files
from revconsole.data._idx import read_family
from revconsole.data._images import Images
from revconsole.records.datasets.facts import DatasetFacts

FACTS = DatasetFacts(
    title="Fashion-MNIST",
    classes=10,
    channels=1,
    size=28,
    train_images=60000,
    test_images=10000,
    mirror=True,
    source="Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747",
    licence="MIT",
    mean=(0.2860,),
    std=(0.3530,),
    train_per_class=(6000,),
    test_per_class=(1000,),
    layouts=(
        (
            "plain",
            ("FashionMNIST/raw", "fashion_mnist", "/usr/share/datasets/fashion-mnist"),
            (
                "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte",
            ),
        ),
        (
            "gzip",
            ("FashionMNIST/raw", "fashion_mnist", "/usr/share/datasets/fashion-mnist"),
            (
                "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
            ),
        ),
    ),
    debian_package="dataset-fashion-mnist",
    download_from=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
)  # fmt: skip

NAMES = (
    "T-shirt or top", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip


def read(folder: Path) -> Images:
    """All images. Raises DataUnavailable if they are missing and unreachable, or damaged."""
    return read_family(FACTS, NAMES, folder=folder, download=_download)


def _download(folder: Path) -> None:
    from torchvision.datasets import FashionMNIST  # deferred: for a download only, slow to import

    download_files(
        FashionMNIST.mirrors, FashionMNIST.resources, into=folder / "FashionMNIST" / "raw"
    )
