"""Device, threads, precision, optimiser: each as the plan says, or a sentence."""

import os
import platform
import resource
import subprocess
import sys
from contextlib import nullcontext

import psutil
import pytest
import torch

from revconsole.errors import ProfileError, RunFailed
from revconsole.records.logs.events import Started
from revconsole.records.sections.optimizer import Adam, AdamW, Sgd
from revconsole.training.machine import devices, precision, resident
from revconsole.training.questions import estimate
from revconsole.training.setup import optimizers


def test_auto_takes_the_first_device_there_is():
    assert str(devices.choose("auto")) == devices.available()[0]
    assert str(devices.choose("cpu")) == "cpu"


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with devices.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before

    with devices.threads(None):
        assert torch.get_num_threads() == before


def test_deterministic_algorithms_are_put_back(monkeypatch):
    monkeypatch.delenv(devices.WORKSPACE, raising=False)
    cudnn, before = torch.backends.cudnn, torch.backends.cudnn.benchmark
    cudnn.benchmark = True
    try:
        with devices.deterministic(True):
            assert torch.are_deterministic_algorithms_enabled()
            assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
            assert os.environ[devices.WORKSPACE] == ":4096:8"
        assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
    finally:
        cudnn.benchmark = before
    assert not torch.are_deterministic_algorithms_enabled()
    assert devices.WORKSPACE not in os.environ


def test_an_operation_without_a_deterministic_form_is_named_in_a_sentence():
    numbers, place = torch.zeros(2), torch.tensor([0])

    with (
        pytest.raises(
            RunFailed, match=r"train\.deterministic is set, and put_ gives different bits"
        ),
        devices.deterministic(True),
    ):
        numbers.put_(place, torch.ones(1))
    with pytest.raises(RuntimeError, match="something else"), devices.deterministic(True):
        raise RuntimeError("something else")
    assert not torch.are_deterministic_algorithms_enabled()


def test_surroundings_are_read_whichever_switch_of_torch_was_used(realise):
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        said = devices.surroundings(torch.device("cpu"))["float32 matmul precision"]
    finally:
        torch.backends.cuda.matmul.fp32_precision = before

    assert "tf32" in str(said) or said == "high"


@pytest.mark.parametrize(
    ("needed", "free", "measured"), [(100, 200, True), (100, 199, False), (None, 10**12, False)]
)
def test_an_estimate_trains_on_a_gpu_only_where_twice_its_need_is_free(needed, free, measured):
    refused = (
        nullcontext() if measured else pytest.raises(RunFailed, match="not measured: a step needs")
    )

    with refused:
        estimate._refuse_crowded("cuda:0", needed, free)


def test_a_deterministic_run_trains_and_records_it(runner, small):
    loose, strict = runner(small(), "loose"), runner(small(train={"deterministic": True}), "strict")

    assert strict.losses == loose.losses  # on the CPU it is so anyway
    recorded = [log.of(Started)[0].facts["deterministic"] for log in (loose, strict)]
    assert recorded == [False, True]


def test_fp16_is_refused_on_the_cpu():
    with pytest.raises(ProfileError, match=r"train\.precision: fp16 needs a GPU"):
        precision.prepare("fp16", torch.device("cpu"))


@pytest.mark.parametrize("name", ["additive", "momentum", "bdia"])
def test_bf16_trains_and_is_another_curve_than_float32(runner, small, name):
    scheme = {"name": name} | ({"grid_bits": 9} if name == "bdia" else {})
    changes = {"scheme": scheme, "backward": "reversible"}
    fine = runner(small(**changes), "float32").losses
    coarse = runner(small(**changes, train={"precision": "bf16"}), "bf16").losses

    assert coarse == pytest.approx(fine, rel=0.05)  # bf16 has three digits
    assert coarse != fine


def test_adamw_spares_biases_norms_tokens_and_positions(realise):
    model = realise().model
    optimizer = optimizers.build(AdamW(weight_decay=0.1), model)
    names = {id(p): n for n, p in model.named_parameters()}
    groups = {
        group["weight_decay"]: {names[id(p)] for p in group["params"]}
        for group in optimizer.param_groups
    }

    assert groups.keys() == {0.0, 0.1}
    assert groups[0.1] == {
        n for n, p in model.named_parameters() if n.endswith("weight") and p.ndim > 1
    }
    assert {"cls_token", "pos_embed", "norm.weight", "head.bias"} <= groups[0.0]


@pytest.mark.parametrize("settings", [AdamW(), Adam(weight_decay=0.1), Sgd(momentum=0.8)])
def test_frozen_parameters_are_left_to_nobody(realise, settings):
    model = realise(train={"freeze": "pos_embed"}).model
    optimizer = optimizers.build(settings, model)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}

    assert held == {id(p) for p in model.parameters() if p.requires_grad}
    assert id(model.pos_embed) not in held


def test_images_may_be_resized(realise):
    setting = realise(data={"image_size": 12}, model={"patch": 4})
    images, _ = next(setting.training_batches(1))
    plain, _ = next(realise().training_batches(1))

    assert images.shape == (32, 1, 12, 12)
    assert images.mean().item() == pytest.approx(plain.mean().item(), abs=0.02)
    evaluated, _ = next(setting.evaluation_batches(setting.data.test))
    assert evaluated.shape[-1] == 12


def test_a_cpu_says_its_model_or_at_least_its_kind(macos, monkeypatch):
    assert devices.device_name(torch.device("cpu")) == "Apple M9"
    monkeypatch.setenv("PATH", "/nowhere")
    assert devices.device_name(torch.device("cpu")) == (platform.processor() or platform.machine())


def test_the_most_resident_memory_is_in_bytes_on_either_system(monkeypatch):
    """Linux counts KiB, macOS bytes."""
    of_linux, now = resident.most_resident(), psutil.Process().memory_info().rss
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert 0.9 * now < of_linux < 1.1 * most * 1024

    monkeypatch.setattr(resident, "_high_water", lambda: None)  # a kernel that does not tell it
    assert resident.most_resident() == pytest.approx(most * 1024, rel=0.1)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert resident.most_resident() == pytest.approx(most, rel=0.1)


PEAK_OF_A_CHILD = """
from revconsole.training.machine import resident
resident.reset_peak()
held = b"x" * (100 << 20)
del held
print(resident.most_resident())
"""


@pytest.mark.interpreter  # memory of a process that started another
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the peak begin anew")
def test_the_peak_of_a_process_is_not_that_of_the_larger_one_that_started_it():
    child = [sys.executable, "-c", PEAK_OF_A_CHILD]
    alone = int(subprocess.run(child, capture_output=True, text=True, check=True).stdout)
    larger = b"x" * (700 << 20)
    started = int(subprocess.run(child, capture_output=True, text=True, check=True).stdout)
    del larger

    assert started == pytest.approx(alone, rel=0.1)


def test_a_run_trains_on_macos_with_the_same_bits(request, runner, small):
    """Without peaks that begin anew, files of the kernel and the names that Linux alone has."""
    plan = small(train={"epochs": 1})
    here = runner(plan, "here").losses
    request.getfixturevalue("macos")

    assert runner(plan, "there").losses == here
