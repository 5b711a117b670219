"""A run that one GPU has no room for, on several of them; what its steps take is made up."""

import pytest

from revconsole.cli.memory_output import shared
from revconsole.lab import sharing
from revconsole.lab.outlook import outlook
from revconsole.lab.sharing import shared_fit
from revconsole.records import devices
from revconsole.records.foresight import cache
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.settings.plan import Plan

GIB = 2**30
WEIGHTS, AN_IMAGE = 12 * GIB, GIB // 8


def planned(batch=48):
    return Plan.model_validate({
        "name": "wide", "data": {"dataset": "digits"}, "train": {"device": "cuda", "batch": batch},
        "model": {"architecture": "vit", "patch": 4},
    })  # fmt: skip


def keep(plan):
    """Its weights, or a share of them, and so much for each image that goes through at once."""
    train = plan.train
    fixed = MemoryParts(parameters=WEIGHTS // (train.ranks if train.shard else 1))
    moment = Moment(operator="mm", fixed=fixed, per_image=MemoryParts(kept=AN_IMAGE))
    no = dict.fromkeys(("checkpointed", "reversible"), "is left out")
    steps = {"stored": StepMemory(once=(moment,), accumulated=(moment,))}
    foresight = Foresight(device="cuda", steps=steps, left_out=no)
    Foreseen(counts={"parameters": 1}, foresight=foresight).keep(plan, "cuda")


@pytest.fixture(autouse=True)
def cards(monkeypatch, tmp_path):
    """Three GPUs."""
    monkeypatch.setattr(devices, "candidates", lambda _: ("cuda:0", "cuda:1", "cuda:2"))
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")
    keep(planned())
    for _, _, plan in sharing._ways(planned()):
        keep(plan)


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (20 * GIB, None),  # 12 + 48/8 fit
        (17 * GIB, {"train.gpus": 2}),  # 12 + 24/8
        (
            14 * GIB,
            {"train.gpus": 2, "train.shard": True},
        ),  # 6 + 24/8, while 12 + 16/8 are tight at most
        (8 * GIB, {"train.gpus": 3, "train.shard": True}),  # 4 + 16/8
        (4 * GIB, None),
    ],
)
def test_it_fits_on_the_fewest_gpus_that_have_room_and_shares_weights_only_if_it_must(
    memory, expected
):
    fit = shared_fit(outlook(planned(), memory=memory))

    assert (fit.settings if fit else None) == expected
    if fit:
        words = " ".join(f"{key}={str(value).lower()}" for key, value in expected.items())
        assert (
            f"on {fit.ranks} of the GPUs here the verdict is {fit.found.verdict}, with {words}: "
            in shared(fit)
        )


def test_nothing_is_said_where_there_is_one_gpu_or_no_batch_that_they_can_share(monkeypatch):
    assert shared_fit(outlook(planned(batch=47), memory=8 * GIB)) is None
    assert shared_fit(outlook(planned(), memory=None)) is None
    monkeypatch.setattr(devices, "candidates", lambda _: ("cuda:0",))
    assert shared_fit(outlook(planned(), memory=8 * GIB)) is None
