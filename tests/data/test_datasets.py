"""The datasets themselves: real ones where they are on this machine, and what the catalogue says of all."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from revconsole import data
from revconsole.data import digits, fashion_mnist, open_data, synthetic
from revconsole.records.datasets import catalogue
from revconsole.records.datasets.facts import present
from revconsole.records.sections import Data

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_the_datasets_are_the_files_without_an_underscore():
    files = [path.stem for path in sorted(Path(data.__file__).parent.glob("[!_]*.py"))]

    assert list(catalogue.datasets()) == files
    assert {"cifar10", "digits", "imagefolder", "synthetic"} < set(files)


@pytest.mark.parametrize("name", catalogue.datasets())
def test_facts_are_read_without_importing_and_agree_with_the_module(name):
    module = import_module(f"revconsole.data.{name}")
    assert catalogue.dataset(name) == module.FACTS
    if module.FACTS.by_settings:
        assert set(module.FACTS.by_settings) <= set(Data.model_fields)
        return
    assert len(module.NAMES) == module.FACTS.classes
    assert len(module.FACTS.mean) == len(module.FACTS.std) == module.FACTS.channels
    per_class = module.FACTS.train_per_class
    assert sum(per_class) * (module.FACTS.classes if len(per_class) == 1 else 1) == (
        module.FACTS.train_images
    )


def test_digits_keep_the_scans_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    images = digits.read(tmp_path)
    ours = torch.cat([images.train_images, images.test_images]).numpy().reshape(-1, 64)
    theirs = load_digits().data
    levels = (ours.astype(int) * 16 + 127) // 255
    assert sorted(map(tuple, levels)) == sorted(map(tuple, theirs.astype(int)))


def test_digits_are_read_where_another_version_of_scikit_learn_keeps_them_elsewhere(monkeypatch):
    known = digits._scans()
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda _: None)

    assert (digits._scans() == known).all()


def test_digits_have_the_same_test_images_for_everybody(settings, tmp_path):
    tests = [
        open_data(settings(split_seed=seed), folder=tmp_path, device="cpu").test for seed in (0, 1)
    ]
    assert torch.equal(tests[0].images, tests[1].images)
    assert torch.bincount(tests[0].labels).min() >= 35


def test_synthetic_classes_can_be_learned_and_shuffled_ones_cannot(tmp_path):
    """Nearest class mean: a rule too simple to memorise anything."""
    images = synthetic.read(tmp_path)
    train = images.train_images.float().flatten(1)
    test = images.test_images.float().flatten(1)

    def accuracy(labels):
        means = torch.stack([train[labels == label].mean(0) for label in range(10)])
        return (torch.cdist(test, means).argmin(1) == images.test_labels).float().mean()

    assert accuracy(images.train_labels) > 0.9
    shuffled = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    assert accuracy(images.train_labels[shuffled]) < 0.35


def test_synthetic_images_are_the_same_every_time(tmp_path):
    first, second = synthetic.read(tmp_path), synthetic.read(tmp_path)
    assert torch.equal(first.train_images, second.train_images)
    assert len(np.unique(first.train_images.numpy().reshape(5000, -1), axis=0)) == 5000


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
def test_fashion_mnist_is_read_where_debian_installs_it(settings, tmp_path):
    assert present(fashion_mnist.FACTS, tmp_path) == DEBIAN
    data = open_data(
        settings(dataset="fashion_mnist", train_limit=2000), folder=tmp_path, device="cpu"
    )
    assert len(data.test) == 10_000
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    assert data.train.images.shape == (1800, 1, 28, 28)
    assert torch.bincount(data.train.labels).tolist() == [180] * 10
    boots = data.test.images[data.test.labels == fashion_mnist.NAMES.index("ankle boot")].float()
    sandals = data.test.images[data.test.labels == fashion_mnist.NAMES.index("sandal")].float()
    assert boots.mean() > sandals.mean() + 20  # a boot covers more of the picture, in grey levels
