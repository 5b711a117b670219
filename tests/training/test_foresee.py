"""Foreseen memory, against what torch's allocator says of the same step with real numbers."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from revconsole.errors import RevconsoleError
from revconsole.records.foresight import cache
from revconsole.records.foresight.checked import UncheckedPrediction
from revconsole.records.foresight.foresight import Foresight, reserved
from revconsole.records.settings.plan import Plan
from revconsole.reversible import rewire
from revconsole.training.checks.facts import facts
from revconsole.training.foresee.actual import actual
from revconsole.training.foresee.checking import checked, combinations
from revconsole.training.foresee.checking import planned as planned_from
from revconsole.training.foresee.cuda_rules import CudaRules
from revconsole.training.foresee.foresee import foresee
from revconsole.training.setup import build
from revconsole.training.setup.build import without_memory

CLOSE = 0.01


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foresight")
    return tmp_path / "foresight"


def planned(**sections):
    vit = {"architecture": "vit", "patch": 8, "dim": 32, "depth": 3, "heads": 2}
    table = {"data": {"dataset": "synthetic"}, "model": vit} | sections
    return Plan.model_validate({"name": "small"} | table)


def scheme(name, **options):
    return {"name": name, **options}


@pytest.mark.parametrize(
    ("backward", "images", "parts", "sections"),
    [
        ("stored", 48, 1, {}),
        ("checkpointed", 48, 1, {"optimizer": {"name": "sgd"}}),
        ("reversible", 48, 3, {"scheme": scheme("bdia"), "train": {"average": 0.9, "clip": 1.0}}),
        ("reversible", 64, 1, {"scheme": scheme("momentum", grid_bits=9)}),
        ("stored", 48, 2, {"scheme": scheme("additive"), "train": {"precision": "bf16"}}),
        ("reversible", 64, 1, {"scheme": scheme("coefficients"), "data": {"dataset": "synthetic", "mixup": 0.2}}),
        ("stored", 16, 1, {"objective": {"name": "mae"}, "optimizer": {"name": "timm", "algorithm": "lion"}}),
    ],
)  # fmt: skip
def test_the_predicted_peak_is_what_the_allocator_says(backward, images, parts, sections):
    plan = planned(backward=backward, **sections)
    predicted = foresee(plan, backwards=[backward]).peak(backward, images, accumulate=parts)

    tracked = actual(plan, images, parts).tracked
    assert abs(predicted.total / tracked - 1) < CLOSE, predicted.operator


@pytest.mark.parametrize(
    ("model", "images"),
    [
        ({"architecture": "cnn", "batch_norm": True}, 8),
        # oneDNN takes 256 copies of depthwise weights
        ({"architecture": "timm", "name": "convnext_atto"}, 8),
        # with one thread, products of single pixels are oneDNN's from 16 images on, which copies them
        ({"architecture": "uniformer", "dim": 16, "local_depth": 1, "depth": 1, "heads": 1}, 15),
        ({"architecture": "uniformer", "dim": 16, "local_depth": 1, "depth": 1, "heads": 1}, 16),
    ],
    ids=["cnn", "convnext", "uniformer few", "uniformer many"],
)  # fmt: skip
def test_what_convolutions_take_for_themselves_is_part_of_the_peak(model, images):
    plan = planned(model=model)
    predicted = foresee(plan, backwards=["stored"]).peak("stored", images)

    assert abs(predicted.total / actual(plan, images).tracked - 1) < 0.002
    assert "convolution" in predicted.operator


def test_the_parts_are_those_of_the_optimiser_and_the_weights():
    plan = planned(scheme=scheme("bdia"), train={"average": 0.9})
    foresight = foresee(plan, backwards=["reversible"])
    weights = sum(weight.nbytes for weight in without_memory(plan).parameters())

    parts = foresight.peak("reversible", 64).parts
    assert parts.parameters == pytest.approx(2 * weights, rel=1e-3)  # and their moving average
    assert parts.optimizer == pytest.approx(2 * weights, rel=1e-3)
    assert parts.side_bits > 0
    update = foresight.peak("reversible", 1).parts
    assert update.gradients == pytest.approx(weights, rel=0.2)


def test_every_backward_of_a_plan_is_foreseen_of_one_wiring(monkeypatch):
    """Its blocks are wired once and copied, and no backward finds anything of the one before."""
    wired = []
    monkeypatch.setattr(build, "rewire", lambda *a, **n: wired.append(1) or rewire(*a, **n))
    monkeypatch.setattr(build, "BUILT_BEFORE", {})
    plan = planned(scheme=scheme("bdia"))
    second = foresee(plan, backwards=["stored", "reversible"]).steps["reversible"]
    assert {weight.device.type for weight in without_memory(plan).parameters()} == {"meta"}
    assert len(wired) == 1
    build.BUILT_BEFORE.clear()
    alone = foresee(plan, backwards=["reversible"], anew=True).steps["reversible"]
    assert replace(alone, seconds=0) == replace(second, seconds=0)


def test_a_schemes_backward_that_is_impossible_says_why():
    foresight = foresee(planned(), backwards=["stored", "reversible"])

    assert tuple(foresight.steps) == ("stored",)
    assert "no inverse" in foresight.left_out["reversible"]
    with pytest.raises(RevconsoleError, match="no inverse"):
        foresee(planned(), backwards=["reversible"])


def test_an_optimiser_that_looks_at_numbers_is_refused_in_a_sentence():
    plan = planned(optimizer={"name": "timm", "algorithm": "adamp"})
    with pytest.raises(
        RevconsoleError, match="with optimiser adamp, asks for the value of a number"
    ):
        foresee(plan, backwards=["stored"])


def test_predicting_leaves_the_generators_alone():
    plan = planned(
        model={"architecture": "vit", "patch": 8, "dim": 32, "depth": 1, "heads": 2, "dropout": 0.5}
    )
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    foresee(plan, backwards=["checkpointed"])

    assert torch.equal(torch.rand(3), expected)


def test_what_was_foreseen_is_read_again_and_a_damaged_file_is_made_again(cache_folder):
    plan = planned()
    first = foresee(plan)
    assert cache.known(plan) == first
    other_batch = plan.model_copy(update={"train": plan.train.model_copy(update={"batch": 8})})
    assert foresee(other_batch) == first

    damaged = min(cache_folder.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:50])
    assert cache.known(plan) is None
    again = foresee(plan)
    assert isinstance(again, Foresight)
    assert {w: s.once for w, s in again.steps.items()} == {
        w: s.once for w, s in first.steps.items()
    }


def test_what_was_foreseen_is_read_without_torch(cache_folder):
    plan = planned()
    foresee(plan)
    code = (
        "import sys; from pathlib import Path\n"
        "from revconsole.records.foresight import cache\n"
        "from revconsole.records.settings.plan import Plan\n"
        f"cache.folder = lambda: Path({str(cache_folder)!r})\n"
        "foresight = cache.known(Plan.model_validate_json(sys.stdin.read()))\n"
        "print(foresight.peak('stored', 64).total, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=plan.model_dump_json(), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == [str(foresee(plan).peak("stored", 64).total), "False"]


def test_on_cuda_what_is_reserved_is_no_less_than_what_is_allocated():
    plan = planned(train={"precision": "bf16"})
    step = foresee(plan, "cuda", backwards=["stored"]).steps["stored"]

    assert step.log is not None
    device = reserved(step.log, 64, 1)
    assert step.peak(64).total <= device.allocated <= device.reserved


def test_blocks_that_are_evaluated_again_follow_the_rules_of_cuda_too():
    norm, dtypes = nn.LayerNorm(4), []

    def block(x):
        dtypes.append(norm(x).dtype)
        return norm(x)

    x = torch.ones(2, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), CudaRules():
        torch.autograd.backward(checkpoint(block, x, use_reentrant=False).sum())

    assert dtypes == [torch.float32, torch.float32]
    assert x.grad is not None


@pytest.mark.slow
def test_the_check_sets_predictions_beside_real_steps_and_a_failure_does_not_end_it():
    settings = "model.architecture=mlp model.width=20 data.dataset=synthetic"
    impossible = "model.architecture=mlp model.width=-1 data.dataset=synthetic"
    failed, done = checked([(impossible, "stored", "16"), (settings, "stored", "16x2")])

    assert isinstance(failed, UncheckedPrediction)
    assert "width" in failed.why
    assert abs(done.error) < CLOSE
    assert done.resident > 0
    assert done.cached_seconds < done.cold_seconds


def test_everything_that_is_checked_can_be_planned():
    families = [settings for settings, _, _ in combinations() if "architecture=timm" in settings]
    plans = [planned_from(settings, backward) for settings, backward, _ in combinations()]

    assert len(plans) >= 40
    assert len(set(families)) >= 25


def test_a_run_records_what_was_foreseen_of_it_if_that_is_known(realise):
    state = realise(train={"batch": 64, "accumulate": 2})
    assert "foreseen_peak_bytes" not in facts(state)

    peak = foresee(state.plan, backwards=[state.plan.backward]).peak("stored", 32, accumulate=2)
    assert facts(state)["foreseen_peak_bytes"] == peak.total


def test_a_run_whose_batch_is_larger_than_its_data_records_the_peak_of_the_images_there_are(
    realise,
):
    plan = realise(train={"batch": 64}).plan
    images = plan.trained_images
    foresight = foresee(plan, backwards=[plan.backward])

    state = realise(train={"batch": 4 * images, "accumulate": 2})
    peak = foresight.peak(plan.backward, images).total
    assert (
        facts(state)["foreseen_peak_bytes"]
        == peak
        < foresight.peak(plan.backward, 2 * images).total
    )
