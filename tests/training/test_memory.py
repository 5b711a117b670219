"""Memory that runs out: the run ends with what would fit, or goes on with less at once; nothing else changes."""

import gc
import os
import re
import subprocess
import sys
import weakref
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from revconsole.records.logs.events import Advised, Finished, Measured
from revconsole.records.sections.model import TimmModel
from revconsole.records.settings.plan import Plan
from revconsole.training import api
from revconsole.training.foresee.actual import actual
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine.shortage import (
    OutOfMemory,
    Shortage,
    catching_oom,
    described,
    ran_out,
)
from revconsole.training.memory.oom_retry import OomRetry
from revconsole.training.memory.suggestions import suggestions
from revconsole.training.probes import metrics
from revconsole.training.step.stepping import compute_gradients
from tests.training.conftest import meant

SUMMATION_ORDER = 2e-5  # relative; float32 sums of a batch, taken in parts, differ in the last bits
COUNTED = 0.05  # relative; what is foreseen of a step of a MiB or two, against what the allocator held in it
CUDA_SAYS = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.1 GiB"
CLASSES = 10


class Tight:
    """Memory for so many images at once, and no more, from the moment it is armed; said as CUDA says it.

    passes: that go well after that. training: whether it is passes of training that fail, or of evaluation.
    """

    def __init__(self, most, *, passes=0, training=True, armed=True):
        self.most, self.passes, self.training, self.armed = most, passes, training, armed
        self.refused = []

    def __call__(self, module, images):
        head = module.out_features == CLASSES
        if not head or not self.armed or module.training != self.training:
            return
        self.passes -= 1
        if self.passes < 0 and len(images) > self.most:
            self.refused.append(weakref.ref(images))
            raise torch.OutOfMemoryError(CUDA_SAYS)

    def arm(self, event):
        """As soon as the first pass is over."""
        self.armed |= isinstance(event, Measured)


@contextmanager
def little(*arguments, **options):
    tight, linear = Tight(*arguments, **options), nn.Linear.forward

    def forward(module, images):
        tight(module, images)
        return linear(module, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Linear, "forward", forward)
        yield tight


@pytest.fixture
def shrinking(small):
    """A function: the small plan, shrinking when memory runs out."""

    def made(train=None, **changes):
        return small(train={"on_oom": "shrink"} | (train or {}), **changes)

    return made


def warnings(log):
    return [advised.text for advised in log.of(Advised) if advised.level == "warning"]


def executed(store, plan):
    run_id = store.create(plan, {})
    api.execute(store, run_id, store.claim(run_id, store.next_attempt(run_id)))
    return store.read(run_id)


def test_a_run_out_of_memory_ends_with_three_ways_out_and_their_figures(store, small):
    with little(16):
        run = executed(store, small(profile="digits"))

    assert run.summary.state == "out of memory"
    assert "2.5 GiB more were asked for" in run.summary.reason
    assert "Add to `revconsole train digits`:" in run.summary.reason
    assert re.findall(r"(\S+=\S+) \(predicted: [\d.,]+ MiB\)", run.summary.reason) == [
        "train.accumulate=2", "backward=checkpointed", "train.precision=bf16"
    ]  # fmt: skip


def with_settings(plan, text):
    """The plan with what a user would paste."""
    body = plan.model_dump()
    for key, value in (word.split("=") for word in text.split()):
        section, _, name = key.rpartition(".")
        (body[section] if section else body)[name] = int(value) if value.isdigit() else value
    return Plan.model_validate(body)


def really_needed(plan, folder):
    """What torch's allocator held in a real step, and the images."""
    data = prepare(plan, data=folder).data
    images = sum(split.images.nbytes for split in (data.train, data.validation, data.test))
    parts = plan.train.accumulate
    return actual(plan, plan.train.batch // parts, parts).tracked + images


@pytest.mark.parametrize(("scheme", "backward"), [("residual", "stored"), ("bdia", "reversible")])
def test_the_figures_are_what_those_settings_then_need(small, scheme, backward, tmp_path):
    """Three ways out, each with the memory it then takes; `test_foresee` tries the other schemes."""
    options = {} if scheme == "residual" else {"grid_bits": 9}
    plan = small(
        scheme={"name": scheme} | options,
        backward=backward,
        model={"dim": 32, "depth": 3},
        train={"batch": 64},
    )
    present, ways = suggestions(prepare(plan, data=tmp_path))

    assert len(ways) == 3
    assert len({way.settings for way in ways}) == 3
    whole = really_needed(plan, tmp_path)
    assert present == pytest.approx(whole, rel=COUNTED)
    for way in ways:
        needed = really_needed(with_settings(plan, way.settings), tmp_path)
        assert way.needed == pytest.approx(needed, rel=COUNTED), way.settings
        assert needed < whole


def test_what_is_in_use_already_is_not_advised(small, tmp_path):
    plan = small(
        scheme={"name": "additive"},
        backward="reversible",
        train={"precision": "bf16", "accumulate": 2},
    )
    _, ways = suggestions(prepare(plan, data=tmp_path))

    assert [way.settings for way in ways] == [f"train.accumulate={n}" for n in (4, 8, 16)]


@pytest.mark.parametrize("scheme", ["residual", "bdia"])
def test_shrinking_computes_the_step_again_and_its_loss_is_that_of_the_whole(
    runner, shrinking, scheme
):
    plan = shrinking(**meant(scheme), train={"epochs": 1})
    whole = runner(plan, "whole")
    with little(8, passes=2, armed=False) as tight:
        parts = runner(plan, "parts", watch=tight.arm)

    assert len(tight.refused) == 2  # 32 images, then 16
    first, second = [text for text in warnings(parts) if " ran out " in text]
    assert first.startswith("step 3 ran out of memory with 32 images at once (")
    assert "2 micro-batches of 16 images make the same batch of 32" in first
    assert "4 micro-batches of 8 images make the same batch of 32" in second
    assert [parts.losses[n] for n in (1, 2)] == [whole.losses[n] for n in (1, 2)]
    assert parts.losses[3] == pytest.approx(whole.losses[3], rel=SUMMATION_ORDER)
    assert parts.losses.keys() == whole.losses.keys()
    assert isinstance(parts.events[-1], Finished)


def test_the_first_pass_shrinks_too(runner, shrinking):
    with little(6):
        log = runner(shrinking(train={"batch": 30}))

    assert [t.split(" ran")[0] for t in warnings(log)] == ["the first pass"] * 2
    assert "5 micro-batches of 6 images make the same batch of 30" in warnings(log)[-1]
    assert len(log.losses) == 2 * 4


def test_with_backward_auto_the_choice_begins_anew(runner, shrinking):
    auto = {"scheme": {"name": "additive"}, "backward": "auto"}
    with little(16):
        log = runner(shrinking(**auto, train={"budget_mib": 100}))

    assert any("all 3 blocks keep their activations" in a.text for a in log.of(Advised))
    assert "2 micro-batches of 16 images" in warnings(log)[0]


def test_an_evaluation_shrinks_and_finds_the_same(runner, shrinking):
    whole = runner(shrinking(), "whole")
    with little(8, training=False):
        parts = runner(shrinking(), "parts")

    assert warnings(parts)[0].startswith("the first pass ran out of memory with 32 images")
    assert parts.ending.values == pytest.approx(whole.ending.values, rel=1e-2)
    assert [parts.losses[n] for n in range(1, 5)] == [whole.losses[n] for n in range(1, 5)]


def test_the_smaller_size_is_part_of_the_checkpoint(runner, shrinking):
    plan = shrinking(train={"epochs": 3})
    with little(16, passes=5, armed=False) as tight:
        whole = runner(plan, "whole", watch=tight.arm)

    def kill(event):
        if isinstance(event, Measured) and event.step == 7:
            raise KeyboardInterrupt

    with little(16, passes=5, armed=False) as tight, pytest.raises(KeyboardInterrupt):
        runner(plan, "killed", watch=lambda e: (tight.arm(e), kill(e)))
    rest = runner(plan, "killed")  # there is room again, and still the run is what it was

    assert min(rest.losses) == 7
    assert {n: whole.losses[n] for n in rest.losses} == rest.losses
    assert whole.ending == rest.ending
    assert not warnings(rest)


def test_running_statistics_do_not_count_the_step_that_failed(small, tmp_path):
    plan = small(train={"on_oom": "shrink"}).model_copy(
        update={"model": TimmModel(name="resnet10t")}
    )
    setting = prepare(plan, data=tmp_path)
    images, labels = next(setting.training_batches(1))
    seen, said = [], []

    def work():
        seen.append({n: b.clone() for n, b in setting.model.named_buffers()})
        step = compute_gradients(setting, 1, 1, images=images, labels=labels)
        if len(seen) == 1:
            raise torch.OutOfMemoryError(CUDA_SAYS)
        return step

    OomRetry(setting, said.append).run(work, "step 1")

    assert all(torch.equal(seen[1][name], seen[0][name]) for name in seen[0])
    assert "BatchNorm now takes its statistics over 16 images, no longer over 32" in said[0].text


def test_down_to_one_image_and_no_further(runner, shrinking):
    with little(0), pytest.raises(OutOfMemory) as end:
        runner(shrinking())

    assert "with 1 image at once" in str(end.value)
    assert "accumulate" not in str(end.value)


def test_nothing_of_the_failed_step_is_kept(runner, shrinking):
    gone = []

    def look(event):
        if isinstance(event, Advised) and event.level == "warning":
            gone.extend(reference() is None for reference in tight.refused)

    gc.disable()  # it must not need a lucky collection
    try:
        with little(16, passes=1, armed=False) as tight:
            runner(shrinking(), watch=lambda e: (tight.arm(e), look(e)))
    finally:
        gc.enable()

    assert gone == [True]


def test_the_probe_of_the_reversible_backward_takes_fewer_images(runner, small):
    plan = small(scheme={"name": "momentum"}, backward="reversible", train={"probe_epochs": 1})
    with little(3, armed=False) as tight:

        def arm_for_the_probe(event):
            tight.armed = isinstance(event, Measured) and "kept_for_backward_bytes" in event.values

        log = runner(plan, watch=arm_for_the_probe)

    assert len(tight.refused) == 2  # 8 images, then 4; with 2 it goes
    assert not warnings(log)
    assert any("gradient_error" in event.values for event in log.of(Measured))


def test_counting_what_is_kept_keeps_nothing(realise):
    """Outputs that autograd saves know their graph, which must not hold them in turn."""
    setting = realise(model={"dim": 32, "depth": 4})
    images, labels = next(setting.training_batches(1))
    seen = []
    setting.model.head.register_forward_pre_hook(lambda _, x: seen.append(weakref.ref(x[0])))
    kept = catching_oom(lambda: metrics.kept_for_backward_bytes(setting, images, labels))
    gc.collect()

    assert kept > 0
    assert seen[0]() is None


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (torch.OutOfMemoryError(CUDA_SAYS), 2.5 * 2**30),
        (MemoryError("Unable to allocate 7.00 MiB for an array"), 7 * 2**20),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes."), 40),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), None),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), None),
        (RuntimeError("could not create a primitive"), None),
        (MemoryError(), None),
    ],
)  # fmt: skip
def test_every_way_of_saying_it_is_understood(error, asked):
    assert ran_out(error)
    assert described(error).asked == asked


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes"), ValueError("out of memory")]
)
def test_what_is_not_a_lack_of_memory_is_not_taken_for_one(error):
    def work():
        raise error

    assert not ran_out(error)
    with pytest.raises(type(error)):
        catching_oom(work)


def test_the_allocator_of_the_cpu_is_understood():
    found = catching_oom(lambda: torch.empty(2**58, dtype=torch.uint8))

    assert isinstance(found, Shortage)
    assert found.asked == 2**58


SCRIPT = """
import gc, resource, sys
from pathlib import Path
import psutil, torch
from revconsole.records.runs.control import Control
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.trainer import train

def attempt(on_oom, accumulate, folder):
    plan = Plan.model_validate({
        "name": "big", "model": {"architecture": "vit", "patch": 1, "dim": 128, "depth": 4, "heads": 2},
        "data": {"dataset": "digits", "train_limit": 200, "validation": 0.04, "test_limit": 10},
        "train": {"epochs": 1, "batch": 192, "device": "cpu", "threads": 1, "on_oom": on_oom, "audit": False,
                  "accumulate": accumulate},
    })
    folder.mkdir()
    try:
        train(plan, lambda event: print("event", event, flush=True), Control(folder),
              checkpoints=CheckpointStore(folder), data=folder)
    except MemoryError as error:
        print("ended", error)

gc.freeze()  # what the imports made is looked at by no collection
attempt("fail", 32, Path(sys.argv[1]) / "warm")
limit = psutil.Process().memory_info().vms + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for on_oom in ("fail", "shrink"):
    attempt(on_oom, 1, Path(sys.argv[1]) / on_oom)
"""
ROOM_MIB = 250  # beyond what a step of 6 images needed; 192 images keep 400, 48 keep 100


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS counts what is mapped on Linux only")
def test_a_process_that_really_has_no_room(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(ROOM_MIB)]
    one_arena = os.environ | {"MALLOC_ARENA_MAX": "1"}  # each reserves 64 MiB of addresses
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=one_arena
    )
    shrinking = done.stdout.partition("ended ")[2]
    reason = shrinking.partition("\n")[0]

    assert "memory ran out; " in reason, done.stdout + done.stderr
    assert "train.accumulate=2 (predicted: " in reason
    assert "backward=checkpointed (predicted: " in reason
    assert "make the same batch of 192" in shrinking, done.stderr
    assert "event Finished(outcome='completed'" in shrinking, done.stderr


@pytest.mark.parametrize(
    ("error", "device", "words"),
    [
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 19.20 GiB. GPU 1 has a total capacity of 12.00 GiB of which 3 GiB "
                "is free. Of the allocated memory 2.50 GiB is allocated by PyTorch, and 1 GiB is reserved."
            ),
            None,
            "2.5 GiB were allocated on cuda:1 and 19.2 GiB more were asked for",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "cuda:2", "allocated on cuda:2 and more was"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes"), "cuda:0", "resident in the process"),
        (MemoryError(), "cuda:0", "resident in the process"),
    ],
)  # fmt: skip
def test_whose_memory_ran_out_is_told_by_the_error_and_not_by_where_the_run_is(
    error, device, words
):
    place = None if device is None else torch.device(device)

    assert words in str(described(error, place))
