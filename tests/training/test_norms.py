"""Norms over the batch: a last batch of one image ends no run, and is foreseen where the images can be counted."""

from pathlib import Path

import pytest
import torch
from torch import nn

from revconsole.errors import ProfileError
from revconsole.records.logs.events import Advised, EpochFinished, Started
from revconsole.training.objectives import objective_of
from revconsole.training.setup import norms
from revconsole.training.setup.build import build_model

SINGLE = {"dataset": "digits", "train_limit": 73}  # 66 to train on, 7 to validate on
NORMED = """
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(1, 6, 8), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6, 10)
    )
"""
OWN = {"architecture": "python", "function": "normed_over_one_pixel:net"}


@pytest.fixture(autouse=True)
def _own():
    Path("normed_over_one_pixel.py").write_text(NORMED)


def with_model(small, settings, **changes):
    """`small` with another architecture."""
    plan = small(**changes)
    table = plan.model_dump() | {"model": settings}
    return type(plan).model_validate(table)


@pytest.mark.parametrize(
    ("accumulate", "batch", "steps"),
    [(1, 13, 5), (1, 65, 1), (5, 65, 1), (3, 21, 4), (1, 12, 6)],
)
def test_every_image_is_trained_on_though_one_is_left_over(small, runner, accumulate, batch, steps):
    """66 = 5 × 13 + 1 = 65 + 1 = 3 × 21 + 3: the image that is left over joins the ones before it."""
    plan = with_model(
        small,
        OWN,
        data=SINGLE | {"validation": 0.1},
        train={"batch": batch, "accumulate": accumulate, "epochs": 2, "audit": False},
    )

    log = runner(plan)

    assert log.ending.step == 2 * steps
    assert log.of(Started)[0].facts["steps_per_epoch"] == steps
    assert len(log.of(EpochFinished)) == 2


def test_a_last_batch_that_is_not_full_is_left_out_on_request(small, runner):
    """torch's own loader is the second count of the steps."""
    train = {"batch": 14, "accumulate": 2, "epochs": 2, "audit": False}
    plan = small(data=SINGLE | {"validation": 0.1, "drop_last": True}, train=train)
    log = runner(plan)
    loader = torch.utils.data.DataLoader(range(66), batch_size=14, drop_last=True)
    assert log.of(Started)[0].facts["steps_per_epoch"] == len(loader) == plan.steps_per_epoch == 4
    assert log.ending.step == 8
    assert norms.shortest(plan, 66, 14) == 7
    with pytest.raises(ProfileError, match="66 images to train on do not fill a batch of 67"):
        runner(small(data=SINGLE | {"validation": 0.1, "drop_last": True}, train={"batch": 67}))


def test_a_resumed_run_joins_the_same_images(small, runner):
    def halt(event):
        if isinstance(event, EpochFinished):
            raise KeyboardInterrupt

    def plan():
        return with_model(small, OWN, data=SINGLE, train={"batch": 13, "epochs": 2, "audit": False})

    whole = runner(plan(), "whole")
    with pytest.raises(KeyboardInterrupt):
        runner(plan(), "cut", watch=halt)
    resumed = runner(plan(), "cut")

    assert resumed.ending.weights_sha256 == whole.ending.weights_sha256


@pytest.mark.parametrize(
    ("images", "batch", "accumulate", "steps", "shortest"),
    [
        (66, 13, 1, None, 1),
        (66, 13, 1, 5, 13),  # ends before the last batch of its only epoch
        (66, 13, 1, 6, 1),
        (66, 12, 1, None, 6),
        (66, 16, 16, None, 1),
        (66, 16, 4, None, 2),
        (65, 16, 4, None, 1),
        (60, 16, 4, None, 4),
        (9, 16, 1, None, 9),
        (9, 16, 2, None, 1),
        (3, 16, 2, None, 3),
    ],
)
def test_the_shortest_micro_batch_is_that_of_a_list_of_all(
    small, images, batch, accumulate, steps, shortest
):
    """Checked by hand, and against what a loop over the images makes."""
    plan = small(train={"batch": batch, "accumulate": accumulate, "steps": steps})
    parts = [
        len(part)
        for whole in torch.arange(images).split(batch)[:steps]
        for part in whole.split(batch // accumulate)
    ]

    assert min(parts) == shortest == norms.shortest(plan, images, batch)


@pytest.mark.parametrize("images", range(1, 30))
def test_parts_hold_every_image_once_and_none_is_too_small(images):
    for size in range(2, 12):
        parts = norms.part_sizes(images, size, 2)

        assert sum(parts) == images
        assert min(parts) >= min(2, images)
        assert max(parts) <= size + 1
        assert norms.part_sizes(images, size, 1) == [
            len(part) for part in torch.arange(images).split(size)
        ]


class Squeezed(nn.Sequential):
    """A norm over maps of one pixel."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__(nn.Conv2d(1, 6, 8), norm, nn.Flatten(), nn.Linear(6, 10))


@pytest.mark.parametrize(
    ("norm", "least"),
    [
        (nn.BatchNorm2d(6), 2),
        (nn.GroupNorm(6, 6), 2),  # torch asks it of the images and the maps together
        (nn.GroupNorm(2, 6), 1),
        (nn.InstanceNorm2d(6), None),
        (nn.LayerNorm([6, 1, 1]), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_many_images_a_network_needs_is_tried(small, norm, least):
    plan, model = small(), Squeezed(norm)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()

    if least is None:
        with pytest.raises(ProfileError, match="become a single number in front of a norm"):
            norms.least_images(objective_of(plan), model, plan)
    else:
        assert norms.least_images(objective_of(plan), model, plan) == least
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_network_of_larger_maps_trains_on_a_single_image(small):
    plan = with_model(small, {"architecture": "conformer", "patch": 4, "depth": 1})

    assert norms.least_images(objective_of(plan), build_model(plan), plan) == 1


def test_the_batch_that_is_proposed_leaves_none_alone(small):
    plan = small(train={"batch": 15, "accumulate": 3})

    with pytest.raises(ProfileError, match=r"train\.batch = (\d+)") as refusal:
        norms.refuse_rest(plan, 2, 61)

    proposed = int(str(refusal.value).rpartition(" = ")[2])
    assert proposed % 3 == 0
    assert norms.shortest(plan, 61, proposed) >= 2


def test_accumulation_under_a_batch_norm_is_said_once(small, runner):
    parts = with_model(
        small, OWN, train={"batch": 32, "accumulate": 8, "epochs": 1, "audit": False}
    )
    (said,) = [e.text for e in runner(parts, "parts").of(Advised) if "BatchNorm" in e.text]

    assert "statistics over each micro-batch of 4, not over the batch of 32" in said
    assert "train.accumulate=8" in said
    whole = with_model(small, OWN, train={"batch": 32, "epochs": 1, "audit": False})
    assert not [e for e in runner(whole, "whole").of(Advised) if "BatchNorm" in e.text]
