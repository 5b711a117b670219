"""CIFAR-100: 60,000 photographs of a hundred kinds of things, 32×32 pixels, colour.

Read from the official archive or its unpacked files, from `train/CLASS/*.png` and `test/CLASS/*.png`, or
downloaded. The labels are the hundred fine ones.
"""

from pathlib import Path

from revconsole.data._cifar import read_cifar
from revconsole.data._images import Images
from revconsole.records.datasets.facts import DatasetFacts

FACTS = DatasetFacts(
    title="CIFAR-100",
    classes=100,
    channels=3,
    size=32,
    train_images=50000,
    test_images=10000,
    mirror=True,
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    licence="none stated by the authors",
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    train_per_class=(500,),
    test_per_class=(100,),
    layouts=(
        (
            "pickles",
            ("cifar-100-python", "cifar100", "cifar100/cifar-100-python"),
            ("train", "test"),
        ),
        ("folders", ("cifar100",), ("train/", "test/")),
        ("archive", (".", "cifar100"), ("cifar-100-python.tar.gz",)),
    ),
    download_from=("https://www.cs.toronto.edu/~kriz/",),
)

NAMES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
    "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
    "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel",
    "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip


def read(folder: Path) -> Images:
    """All images. Raises DataUnavailable if they are missing and unreachable, or damaged."""
    from torchvision.datasets import CIFAR100  # deferred: slow to import

    return read_cifar(FACTS, NAMES, folder=folder, official=CIFAR100)
