"""The decision boundary of data that are points: what is recorded is what the model says, and the run is untouched."""

import pytest
import torch

from revconsole.data import as_points
from revconsole.records.logs.events import Bounded, EpochFinished
from revconsole.training.learning.preparing import prepare
from revconsole.training.probes import boundary
from revconsole.training.probes.boundary import SIDE, BoundaryProbe, levels, places
from revconsole.training.step.progress import Progress

POINTS = {"data": {"dataset": "circles", "train_limit": 400}, "train": {"batch": 40, "epochs": 3}}
MLP = {"architecture": "mlp", "width": 8}
OPTIMIZER = {"name": "adam", "learning_rate": 0.1}


@pytest.fixture
def planned(small):
    """A function: a plan on circles; `model` replaces the small vision transformer."""

    def made(model, **train):
        whole = small().model_dump() | {"model": model, "optimizer": OPTIMIZER}
        whole["data"] |= POINTS["data"]
        whole["train"] |= POINTS["train"] | train
        return type(small()).model_validate(whole)

    return made


def test_each_place_is_called_what_the_model_calls_a_test_point_there(planned, tmp_path):
    setting = prepare(planned(MLP), data=tmp_path)
    test = setting.data.test
    points = as_points(test.images[:300])
    found = levels(setting, points)
    with torch.no_grad():
        logits = setting.model(test.preparation.standardisation(test.images[:300]))
    second = logits.softmax(1)[:, 1]

    assert torch.equal(found, (second * 36).floor().long())
    assert torch.equal(found >= 18, logits.argmax(1) == 1)
    assert found.unique().numel() > 1


def test_the_grid_runs_from_the_top_left_line_by_line():
    found = places((-2.0, 1.0, -1.0, 1.0))

    assert found.shape == (SIDE * SIDE, 2)
    assert found[0].tolist() == pytest.approx([-2 + 1.5 / SIDE, 1 - 1 / SIDE])
    assert found[SIDE - 1].tolist() == pytest.approx([1 - 1.5 / SIDE, 1 - 1 / SIDE])
    assert found[SIDE].tolist() == pytest.approx([-2 + 1.5 / SIDE, 1 - 3 / SIDE])


def test_a_run_reports_it_at_the_start_after_every_epoch_and_of_the_tested_weights(runner, planned):
    log = runner(planned(MLP))
    found = log.of(Bounded)

    assert [event.epoch for event in found[:-1]] == [0, 1, 2, 3]
    assert [event.tested for event in found] == [False] * 4 + [True]
    assert [len(event.points) for event in found] == [200, 0, 0, 0, 0]
    assert len({event.cells for event in found[:4]}) == 4
    best = max(log.of(EpochFinished), key=lambda e: (e.values["validation_accuracy"], -e.epoch))
    assert found[-1].cells == found[best.epoch].cells


def test_a_long_run_reports_it_less_often(planned, tmp_path):
    setting = prepare(planned(MLP, epochs=1000), data=tmp_path)
    said = []
    probe = BoundaryProbe(setting, said.append)
    for epoch in range(1001):
        probe.report_if_due(Progress(epoch=epoch))

    assert len(said) == boundary.MOST_REPORTS + 1
    assert [said[0].epoch, said[-1].epoch] == [0, 1000]


def test_it_changes_nothing_in_the_run(runner, planned, monkeypatch):
    plan = planned({"architecture": "mlp", "width": 8, "depth": 2})
    looked = runner(plan, "looked")
    monkeypatch.setattr(BoundaryProbe, "_report", lambda *_, **__: None)
    blind = runner(plan, "blind")

    assert not blind.of(Bounded)
    assert looked.losses == blind.losses
    assert looked.ending.weights_sha256 == blind.ending.weights_sha256


def test_images_have_no_boundary(runner, small):
    assert not runner(small(train={"epochs": 1})).of(Bounded)


def test_of_a_support_vector_machine_it_is_the_margin(runner, planned):
    found = runner(planned({"architecture": "svm"})).of(Bounded)
    last = found[-1]

    assert last.of == "margin"
    assert [event.epoch for event in found] == [0, 1, 1]
    middle, corner = last.cells[SIDE // 2 * SIDE + SIDE // 2], last.cells[0]
    assert (middle, corner) == ("z", "0")  # the inner circle, and outside the outer one


@pytest.mark.parametrize("dataset", ["moons", "spirals"])
def test_the_other_sets_of_points_have_one_too(runner, planned, dataset):
    plan = planned(MLP)
    plan = plan.model_copy(update={"data": plan.data.model_copy(update={"dataset": dataset})})
    (first, *_) = runner(plan).of(Bounded)
    left, right, bottom, top = first.box

    assert all(left <= x <= right and bottom <= y <= top for x, y, _ in first.points[:50])


def test_by_hand_or_by_autograd_the_network_learns_the_same(runner, planned):
    auto = runner(planned(MLP), "auto")
    hand = runner(planned(MLP | {"gradients": "by_hand"}), "hand")

    assert list(hand.losses.values()) == pytest.approx(list(auto.losses.values()), rel=1e-4)
    assert auto.losses[27] < auto.losses[1]
