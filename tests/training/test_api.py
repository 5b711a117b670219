"""The door: whatever happens to a run is in its record, and nothing is raised."""

import gc
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import control
from revconsole.records.runs.attempt import Attempt
from revconsole.records.sections.model import TimmModel
from revconsole.records.settings.plan import Plan
from revconsole.training import api
from revconsole.training.machine.broken import breaks
from tests.training.conftest import count_parameters


@pytest.fixture
def executed(store):
    """A function: create, claim and execute a plan; its outcome and its run."""

    def made(plan, before=lambda _: None):
        run_id = store.create(plan, {})
        attempt = store.claim(run_id, store.next_attempt(run_id))
        before(attempt)
        return api.execute(store, run_id, attempt), store.read(run_id)

    return made


def test_every_scheme_trains_from_claim_to_test(executed, small, wiring):
    outcome, run = executed(small(**wiring, train={"audit": True, "probe_epochs": 1}))
    row = run.summary

    assert outcome == "completed"
    assert (row.state, row.epoch, row.step, row.steps) == ("finished", 2, 8, 8)
    assert 0 <= row.test_accuracy <= 1
    assert 0 < row.test_loss < 2 * math.log(10)
    assert row.kept_for_backward_bytes > 0
    assert row.parameters == count_parameters(run.plan)
    assert 0 < row.peak_memory_bytes < 50e6 < run.series["resident_peak_bytes"].last
    assert not row.damaged_lines


def test_the_fingerprint_of_the_data_is_kept_in_the_plan(executed, small, store):
    _, run = executed(small())

    assert store.plan(run.id).data_fingerprint == run.summary.fingerprint
    assert len(run.summary.fingerprint) == 64


def test_what_was_read_is_a_line_of_the_log_and_a_fact(executed, small):
    _, run = executed(small())

    lines = [line.text for line in run.log if line.text.startswith("what was read: ")]
    assert lines == [f"what was read: {run.facts['what_was_read']}"]
    assert lines[0].startswith("what was read: digits: 1,797 images; ")


def test_images_that_do_not_vary_are_an_alarm_in_the_log(executed, small, tmp_path):
    for name in ("black", "night"):
        (tmp_path / "dark" / name).mkdir(parents=True)
        for index in range(20):
            Image.new("L", (9, 9)).save(tmp_path / "dark" / name / f"{index}.png")
    data = {
        "dataset": "imagefolder",
        "folder": str(tmp_path / "dark"),
        "image_size": 8,
        "train_limit": None,
    }
    _, run = executed(small(data=data))

    alarms = [line.text for line in run.log if line.level == "alarm"]
    assert (
        "the 28 training images do not vary: every pixel is 0 of 255, and there is nothing to learn from them"
        in alarms
    )


def test_a_run_whose_data_changed_is_refused(executed, small):
    plan = small().model_copy(update={"data_fingerprint": "0" * 64})
    outcome, run = executed(plan)

    assert outcome == "failed"
    assert (
        "digits has changed since this run began: its fingerprint was 000000000000"
        in run.summary.reason
    )


def test_a_profile_may_insist_on_a_fingerprint(executed, small):
    _, run = executed(small())
    right, wrong = run.summary.fingerprint[:16], "f" * 12

    assert executed(small(data={"fingerprint": right.upper()}))[0] == "completed"
    outcome, refused = executed(small(data={"fingerprint": wrong}))
    assert outcome == "failed"
    assert f"the profile asks for {wrong}: the images or the split differ" in refused.summary.reason


def test_a_device_that_is_not_there_is_a_sentence(executed, small):
    outcome, run = executed(small(train={"device": "cuda:7"}))

    assert outcome == "failed"
    assert run.summary.reason.startswith("there is no device 'cuda:7' on this machine; it has ")
    assert run.summary.reason.endswith("set train.device to one of these, or to auto")


def test_a_divergence_is_the_reason_of_the_failure(executed, small):
    plan = small(optimizer={"name": "sgd", "learning_rate": 100.0}, train={"epochs": 50})
    outcome, run = executed(plan)

    assert (outcome, run.summary.state) == ("failed", "failed")
    assert "Likely causes" in run.summary.reason


def test_a_bug_is_recorded_with_its_traceback_and_not_raised(executed, small):
    def sabotage(attempt):
        (attempt.run_folder / "checkpoints").write_text("not a folder")

    outcome, run = executed(small(), before=sabotage)

    assert outcome == "failed"
    assert run.summary.reason.startswith("NotADirectoryError")
    assert run.summary.reason.endswith("the traceback is in crash.txt")


def test_a_run_folder_that_vanishes_ends_the_run(executed, small, store):
    run_id = store.create(small(), {})
    attempt = store.claim(run_id, 1)
    shutil.rmtree(store.root / run_id)

    assert api.execute(store, run_id, attempt) == "failed"


def test_a_request_to_an_earlier_attempt_is_forgotten(small, store):
    run_id = store.create(small(), {})
    control.ask(store.folder(run_id), "stop")
    attempt = store.claim(run_id, 1)
    claim = attempt.folder / "claim.json"
    claim.write_text(json.dumps(json.loads(claim.read_text())))  # later than the request

    assert api.execute(store, run_id, attempt) == "completed"


def test_a_request_made_while_the_run_starts_is_obeyed(small, store):
    run_id = store.create(small(), {})
    attempt = store.claim(run_id, 1)
    control.ask(store.folder(run_id), "stop")

    assert api.execute(store, run_id, attempt) == "stopped"
    assert store.read(run_id).summary.state == "stopped"


def test_parameters_are_counted_without_data_weights_or_memory(monkeypatch):
    monkeypatch.setenv("REVCONSOLE_DATA", "/nowhere")
    big = Plan.model_validate(
        {
            "name": "big",
            "model": {"architecture": "timm", "name": "vit_large_patch16_224", "pretrained": True},
            "data": {"dataset": "cifar10", "image_size": 224},
        }
    )

    assert count_parameters(big) == 303_311_882  # ViT-L/16 with 10 classes


def test_a_convolutional_network_trains_as_it_is(executed, small):
    plan = small().model_copy(update={"model": TimmModel(name="resnet10t")})
    outcome, run = executed(plan)

    assert outcome == "completed"
    assert run.summary.parameters > 4_000_000


def test_a_scheme_that_does_not_suit_the_architecture_is_refused(executed, small):
    plan = small(scheme={"name": "additive"}, backward="reversible")
    outcome, run = executed(plan.model_copy(update={"model": TimmModel(name="resnet10t")}))

    assert outcome == "failed"
    assert "has no stack of residual blocks to rewire" in run.summary.reason


def test_two_streams_side_by_side_widen_the_norm_and_the_head(small):
    plain = count_parameters(small())
    wide = count_parameters(small(scheme={"name": "additive"}, backward="reversible"))
    mean = count_parameters(
        small(scheme={"name": "additive", "fuse": "mean"}, backward="reversible")
    )

    assert wide == plain + 2 * 16 + 16 * 10
    assert mean == plain


def test_timm_models_are_listed_by_pattern():
    assert "vit_tiny_patch16_224" in api.timm_models("vit_tiny*")
    assert all(name.startswith("vit_tiny") for name in api.timm_models("vit_tiny*"))
    assert len(api.timm_models("")) > 500


def test_the_first_of_two_equal_runs_is_not_charged_for_what_came_before_it(store, small):
    """As importing torch does: by the times of the events, for a clock of the wall is anybody's on a busy machine."""
    beforehand = 1000.0
    found = []
    for importing in (beforehand, 0.0):
        run_id = store.create(small(), {})
        attempt = store.claim(run_id, 1)
        attempt._began -= importing
        api.execute(store, run_id, attempt)
        events = (store.folder(run_id) / "attempts/0001/events.jsonl").read_text().splitlines()
        times = [(line["kind"], line["elapsed"]) for line in map(json.loads, events)]
        began = next(elapsed for kind, elapsed in times if kind == "measured")
        found.append(store.read(run_id).summary.seconds)
        assert began > importing
        assert found[-1] == pytest.approx(times[-1][1] - began, abs=1e-3)

    assert max(found) < beforehand


def test_a_plan_that_is_deleted_while_its_run_trains_is_there_again_at_the_end(executed, small):
    def sabotage(attempt):
        emit = attempt.emit

        def delete_then_emit(event):
            (attempt.run_folder / "plan.json").unlink(missing_ok=True)
            emit(event)

        attempt.emit = delete_then_emit

    outcome, run = executed(small(), before=sabotage)

    assert (outcome, run.summary.state) == ("completed", "finished")
    assert run.plan.name == "small"


def parameters() -> int:
    return sum(type(each) is torch.nn.Parameter for each in gc.get_objects())


class Noting(Attempt):
    """An attempt that notes how many parameters of any model there are when it is closed."""

    left = -1

    def close(self) -> None:
        self.left = parameters()
        super().close()


CIRCULAR = """
from torch import nn

class Circular(nn.Sequential):
    def __init__(self, *layers):
        super().__init__(*layers)
        self.register_forward_hook(self.seen)

    def seen(self, module, images, scores):
        return scores

def model(size, channels, classes):
    return Circular(nn.Flatten(), nn.Linear(size * size * channels, classes))
"""
"""A model that holds itself, as many do: it is gone only once cycles are collected."""


@pytest.mark.parametrize("how", ["completed", "handed over", "failed"])
def test_the_memory_of_a_run_is_given_back_before_its_attempt_is_closed(store, small, how):
    Path("circular.py").write_text(CIRCULAR)
    own = {"model": {"architecture": "python", "function": "circular:model"}}
    run_id = store.create(Plan.model_validate(small().model_dump() | own), {})
    attempt = Noting.claim(store.folder(run_id), 1)
    if how == "failed":
        (attempt.run_folder / "checkpoints").write_text("not a folder")
    if how == "handed over":
        control.tell(attempt.run_folder, "handover", "")
    gc.collect()
    before = parameters()
    gc.disable()  # or it would be given back now and then anyway
    try:
        assert api.execute(store, run_id, attempt) == how
    finally:
        gc.enable()

    assert attempt.left == before


BREAKS = """
import torch

class Broken(torch.nn.Linear):
    def forward(self, images):
        if torch.is_grad_enabled():
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().forward(images.flatten(1))

def model(size, channels, classes):
    return Broken(size * size * channels, classes)
"""
"""A model with which every call would fail from then on."""


def test_after_an_error_of_the_gpu_the_rest_of_a_background_process_trains_in_a_new_one(
    store, small
):
    Path("breaking.py").write_text(BREAKS)
    own = small().model_dump() | {"model": {"architecture": "python", "function": "breaking:model"}}
    plans = [small(), Plan.model_validate(own), small(seed=1), small(seed=2)]
    ids = [store.create(plan, {}) for plan in plans]

    command = [sys.executable, "-m", "revconsole.training", str(store.root), *ids]
    done = subprocess.run(command, env=os.environ, timeout=300, check=False)

    rows = [store.read(run_id).summary for run_id in ids]
    assert done.returncode == 1
    assert [row.state for row in rows] == ["finished", "failed", "finished", "finished"]
    assert "CUDA error: device-side assert triggered" in rows[1].reason
    assert rows[1].reason.endswith("so whatever waits goes on in a new one")
    first, broken, third, fourth = (attempts.owner(store.folder(i), 1).pid for i in ids)
    assert first == broken != third == fourth


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), False),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error"), False),
    ],
)
def test_what_breaks_a_process_is_told_from_what_does_not(error, broken):
    around = KeyError("of somebody's own")
    around.__cause__ = error

    assert breaks(error) is broken
    assert breaks(around) is broken
