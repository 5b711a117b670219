"""Support vector machine: what it answers is what scikit-learn's own machine of all classes answers."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_circles
from sklearn.svm import SVC

from revconsole.models import svm
from revconsole.models.svm import fit
from revconsole.records.sections.model import Svm

ROUNDING = (
    1e-6  # of libsvm's solution, which is found to a tolerance of 1e-3 in the same way by both
)
KERNELS = [
    {"kernel": "rbf", "C": 2.0},
    {"kernel": "linear", "C": 0.1},
    {"kernel": "poly", "degree": 2},
]


def fitted(settings, images, labels, classes, gamma):
    size = int(images[0].numel() ** 0.5)
    model = svm.build(settings, size=size, channels=images[0].numel() // size**2, classes=classes)
    for pair, (first, second) in enumerate(model.pairs):
        numbers = torch.isin(labels, torch.tensor([first, second])).nonzero().flatten()
        seconds = labels[numbers] == second
        model.add(fit(settings, images[numbers], seconds, pair=pair, numbers=numbers, gamma=gamma))
    return model


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    chosen = labels < 4
    return torch.tensor(pixels[chosen]).float() / 16, torch.tensor(labels[chosen])


@pytest.mark.parametrize("given", KERNELS, ids=lambda g: g["kernel"])
def test_of_several_classes_its_answers_and_its_vectors_are_those_of_scikit_learn(digits, given):
    images, labels = digits
    theirs = SVC(gamma=0.05, decision_function_shape="ovr", **given).fit(images[:400], labels[:400])
    ours = fitted(Svm(**given), images[:400], labels[:400], 4, 0.05)
    scores = ours(images[400:])

    assert np.abs(scores.numpy() - theirs.decision_function(images[400:])).max() < ROUNDING
    assert sorted(ours.numbers.tolist()) == sorted(theirs.support_.tolist())
    assert (scores.argmax(1) == labels[400:]).float().mean() > 0.9


@pytest.mark.parametrize("given", KERNELS, ids=lambda g: g["kernel"])
def test_of_two_classes_the_difference_of_its_scores_is_the_decision(given):
    points, labels = make_circles(300, noise=0.1, factor=0.5, random_state=0)
    theirs = SVC(gamma=0.7, **given).fit(points, labels)
    ours = fitted(
        Svm(**given), torch.tensor(points)[:, :, None, None], torch.tensor(labels), 2, 0.7
    )
    scores = ours(torch.tensor(points))

    decisions = (scores[:, 1] - scores[:, 0]).numpy()
    assert np.abs(decisions - theirs.decision_function(points)).max() < ROUNDING


def test_a_support_vector_of_several_pairs_is_kept_once(digits):
    images, labels = digits
    model = fitted(Svm(), images[:100], labels[:100], 4, 0.05)

    assert len(set(model.numbers.tolist())) == len(model.numbers) == len(model.vectors)
    assert (model.coefficients != 0).sum() > len(model.numbers)


def test_its_arrays_are_loaded_into_a_machine_that_was_never_fitted(digits):
    images, labels = digits
    model = fitted(Svm(), images[:100], labels[:100], 4, 0.05)
    other = svm.build(Svm(), size=8, channels=1, classes=4)
    assert torch.equal(other(images).argmax(1), torch.zeros(len(images), dtype=torch.int64))
    other.load_state_dict(model.state_dict())

    assert torch.equal(other(images), model(images))
