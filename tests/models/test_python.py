"""A model of one's own: built under the run's seed for the run's data, refused in one sentence."""

import re
import sys
from pathlib import Path

import pytest
import torch

from revconsole.errors import ProfileError, RevconsoleError, UnknownName
from revconsole.models import python
from revconsole.records.sections.model import Python

MINE = """
import torch
from torch import nn

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def asked(classes, size, channels=1):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))

def fails():
    return [][1]

def nothing():
    return None

class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.BatchNorm2d(1), nn.Dropout(), nn.Flatten(), nn.Linear(64, 10))
        self[1].eval()
"""


@pytest.fixture(autouse=True)
def _mine():
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownpkg"]:
        del sys.modules[name]
    Path("ownpkg").mkdir()
    Path("ownpkg/mine.py").write_text(MINE)


def build(name, *, size=8, channels=1, classes=10):
    settings = Python(function=f"ownpkg.mine:{name}")
    return python.build(settings, size=size, channels=channels, classes=classes)


def test_the_function_is_given_what_it_asks_for_by_name():
    assert build("fixed")(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert build("asked", size=6, channels=3, classes=4)(torch.zeros(2, 3, 6, 6)).shape == (2, 4)


def test_the_weights_are_drawn_from_the_seed_of_the_run():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(build("fixed")[1].weight)

    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_looking_at_it_changes_nothing_of_it():
    model = build("Normed")

    assert [layer.training for layer in model] == [True, False, True, True]
    assert model[0].num_batches_tracked == 0


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("fixt", UnknownName, "did you mean 'fixed'"),
        ("nothing", RevconsoleError, "returns a NoneType"),
        ("fails", RevconsoleError, r"raised IndexError: .*mine.py, line \d+: return \[\]\[1\]"),
    ],
)
def test_a_function_that_makes_no_model_is_one_sentence(name, kind, sentence):
    with pytest.raises(kind, match=sentence):
        build(name)


def test_a_module_that_is_not_there_is_one_sentence():
    with pytest.raises(ProfileError, match=r"model\.function: there is no module 'ownpkg.none'"):
        python.build(Python(function="ownpkg.none:x"), size=8, channels=1, classes=10)


def test_logits_of_other_classes_are_refused_before_training():
    said = "ownpkg.mine:fixed gives (1, 10) for one image of 8×8 pixels and 1 channels, and the data has 7"
    with pytest.raises(ProfileError, match=re.escape(said)):
        build("fixed", classes=7)


def test_a_model_that_cannot_see_the_images_says_what_happened():
    with pytest.raises(RevconsoleError, match=r"raised RuntimeError: .*mat1 and mat2"):
        build("fixed", size=16)
