"""What only a CUDA device can show of a run: its memory, where its data lie, how its errors end, whether its bits repeat.

`make accept-gpu` runs these; with DEVICE=cpu it runs them on the CPU, to see that they run at all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from revconsole.data import batches, open_data, unused
from revconsole.errors import RunFailed
from revconsole.records.logs.events import EpochFinished, Measured
from revconsole.records.runs import control
from revconsole.records.sections import Data
from revconsole.training import api
from revconsole.training.machine import devices, precision
from revconsole.training.step.stepping import compute_gradients, update_weights

pytestmark = pytest.mark.cuda

MIB = 2**20
LEFT_MIB = 64
"""What a process may hold after a run: what cuBLAS works in."""
EXACT = {"scheme": {"name": "bdia", "grid_bits": 9}, "backward": "reversible"}
RICH = {"augment": "crop-flip", "mixup": 0.2, "erasing": 0.3, "colour_jitter": 0.1}
LARGE = {"model": {"patch": 1, "dim": 256, "depth": 8}, "data": {"train_limit": 1024}}


@pytest.mark.parametrize("word", ["float32", "tf32", "bf16", "fp16"])
def test_an_exact_run_measures_no_error_in_any_arithmetic(word, gpu, runner, small):
    if gpu == "cpu" and word in {"tf32", "fp16"}:
        pytest.skip("the CPU has no such arithmetic")
    train = {"device": gpu, "precision": word, "probe_epochs": 1}
    log = runner(small(**EXACT, train=train))

    probed = [e.values for e in log.of(Measured) if "reconstruction_error" in e.values]
    assert log.ending.outcome == "completed"
    assert {values["reconstruction_error"] for values in probed} == {0.0}


@pytest.mark.parametrize("word", ["float32", "bf16"])
def test_a_deterministic_run_repeats_to_the_bit_and_so_does_one_that_was_stopped(
    word, gpu, runner, small
):
    plan = small(**EXACT, train={"device": gpu, "precision": word, "deterministic": True})

    def stop(event):
        if isinstance(event, EpochFinished) and event.epoch == 1:
            control.ask(runner.place("parts"), "stop")

    whole, again = runner(plan, "whole"), runner(plan, "again")
    parts = [runner(plan, "parts", watch=stop), runner(plan, "parts")]

    assert again.losses == whole.losses
    assert {k: v for part in parts for k, v in part.losses.items()} == whole.losses
    assert parts[-1].ending.values == again.ending.values == whole.ending.values


@pytest.mark.usefixtures("only_cuda")
def test_a_step_waits_for_the_gpu_nowhere(gpu, realise):
    """Drawing, augmentation, the grid and the meter leave the GPU to its work; torch raises where one does not."""
    setting = realise(**EXACT, data=RICH, train={"device": gpu})
    made = setting.training_batches(1)
    before = torch.cuda.get_sync_debug_mode()
    try:
        for number, mode in enumerate(("default", "default", "error"), 1):
            images, labels = next(made)
            torch.cuda.set_sync_debug_mode(mode)
            step = compute_gradients(setting, number, 1, images=images, labels=labels)
            update_weights(setting, step)
    finally:
        torch.cuda.set_sync_debug_mode(before)


@pytest.fixture
def executed(store):
    """A function: create, claim and execute a plan; its outcome and its row."""

    def made(plan):
        run_id = store.create(plan, {})
        outcome = api.execute(store, run_id, store.claim(run_id, 1))
        return outcome, store.read(run_id).summary

    return made


def test_a_run_that_has_ended_gives_its_memory_back(gpu, executed, small):
    outcome, _ = executed(small(**LARGE, train={"device": gpu, "batch": 128, "epochs": 1}))

    assert outcome == "completed"
    if gpu != "cpu":
        assert torch.cuda.memory_allocated() < LEFT_MIB * MIB
        assert torch.cuda.memory_reserved() < LEFT_MIB * MIB


@pytest.fixture
def crowded(only_cuda):
    """As if this process could have 200 MiB more of the GPU, and no more."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 200 * MIB) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.usefixtures("crowded")
def test_a_run_without_room_says_whose_memory_ran_out_or_shrinks(gpu, executed, small):
    wanted = {"device": gpu, "batch": 512, "epochs": 1}
    failed, row = executed(small(**LARGE, train=wanted))
    shrunk, _ = executed(small(**LARGE, train=wanted | {"on_oom": "shrink"}))

    assert failed == "failed"
    assert f"allocated on {gpu} and " in row.reason
    assert "train.accumulate=" in row.reason
    assert shrunk == "completed"


@pytest.mark.usefixtures("crowded")
def test_images_without_room_stay_on_the_host(gpu, tmp_path):
    data = Data(dataset="synthetic", image_size=64, train_limit=20_000)
    opened = open_data(data, folder=tmp_path, device=torch.device(gpu))

    assert opened.train.images.device.type == "cpu"
    images = next(batches(opened.train, batch=8, seed=0, epoch=0))[1]
    assert str(images.device) == gpu


def test_batches_are_the_same_to_the_bit_wherever_the_images_lie(gpu, tmp_path):
    made = []
    for place in ("auto", "device", "host"):
        data = Data(dataset="digits", place=place, **RICH)
        opened = open_data(data, folder=tmp_path, device=torch.device(gpu))
        made.append(list(batches(opened.train, batch=64, seed=0, epoch=0)))
    for one, other, third in zip(*made, strict=True):
        assert torch.equal(one[1], other[1])
        assert torch.equal(one[1], third[1])
        assert str(third[1].device) == gpu


@pytest.mark.usefixtures("only_cuda")
def test_what_torch_keeps_in_reserve_is_not_taken_for_somebody_elses(gpu):
    device = torch.device(gpu)
    before = unused(device)
    torch.ones(256 * MIB // 4, device=device)  # freed at once, and kept by torch's allocator
    assert torch.cuda.memory_reserved(device) >= 256 * MIB
    assert unused(device) == pytest.approx(before, abs=32 * MIB)


@pytest.mark.usefixtures("only_cuda")
def test_a_gpu_is_found_and_described(gpu):
    capability = torch.cuda.get_device_capability(gpu)
    assert devices.choose("auto").type == "cuda"
    assert devices.choose("cuda") == torch.device("cuda:0")
    assert devices.passed_over() == ""
    assert all(
        value not in {None, ""}
        for key, value in devices.of_cuda(torch.device(gpu)).items()
        if key != "cublas_workspace"
    )
    if capability >= (8, 0):
        assert precision.prepare("bf16", torch.device(gpu)).name == "bf16"


@pytest.mark.usefixtures("only_cuda")
def test_an_operation_without_a_deterministic_form_is_named_in_a_sentence(gpu, monkeypatch):
    monkeypatch.setenv(devices.WORKSPACE, devices.WORKSPACES[0])
    image = torch.ones(1, 1, 4, 4, device=gpu, requires_grad=True)
    with (
        pytest.raises(RunFailed, match=r"train\.deterministic is set, and upsample_bicubic2d"),
        devices.deterministic(True),
    ):
        torch.nn.functional.interpolate(image, scale_factor=2, mode="bicubic").sum().backward()


BREAKS = """
import torch

class Broken(torch.nn.Linear):
    def forward(self, images):
        nowhere = torch.full((1,), 10_000, device=images.device)
        return super().forward(images.flatten(1)) + images.flatten()[:9][nowhere]

def model(size, channels, classes):
    return Broken(size * size * channels, classes)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("only_cuda")
def test_a_failed_assertion_on_the_gpu_fails_one_run_and_what_waits_trains(gpu, store, small):
    Path("breaking.py").write_text(BREAKS)
    own = small(train={"device": gpu, "epochs": 1, "audit": False}).model_dump(mode="json")
    own["model"] = {"architecture": "python", "function": "breaking:model"}
    broken = store.create(small().model_validate(own), {})
    waiting = store.create(small(train={"device": gpu, "epochs": 1}), {})
    command = [sys.executable, "-m", "revconsole.training", str(store.root), broken, waiting]
    subprocess.run(command, env=os.environ, timeout=300, check=False)

    assert "CUDA error: device-side assert" in store.read(broken).summary.reason
    assert store.read(waiting).summary.state == "finished"
