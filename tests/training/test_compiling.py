"""Compiled parts of blocks: the same training within rounding, and exact schemes stay exact or are refused."""

import pytest
import torch
from torch._inductor import config as inductor

from revconsole.errors import ProfileError
from revconsole.records.logs.events import Measured
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.compiling import with_compiled_parts
from revconsole.training.machine import precision

ONE_BLOCK = {"depth": 2, "dim": 16, "heads": 2, "patch": 4}
QUICK = {"epochs": 1, "audit": False, "batch": 56, "probe_epochs": 1}
FUSED = 1e-4  # of a loss near 2: float32 sums of fused kernels, over two steps
EXACT = {"scheme": {"name": "bdia", "grid_bits": 9}, "backward": "reversible"}


def compiled(setting) -> set[str]:
    """Names of the modules that would be compiled when they are called."""
    found = setting.model.named_modules()
    return {name for name, module in found if module._compiled_call_impl is not None}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own, of itself
def test_an_exact_scheme_trains_compiled_as_it_does_uncompiled_and_stays_exact(
    runner, small, monkeypatch
):
    monkeypatch.setattr(inductor, "compile_threads", 1)  # no pool of processes that import torch
    changes = {**EXACT, "model": ONE_BLOCK}
    plain = runner(small(**changes, train=QUICK), "plain")
    fused = runner(small(**changes, train=QUICK | {"compile": True}), "compiled")

    assert fused.losses == pytest.approx(plain.losses, abs=FUSED)
    errors = [
        e.values["reconstruction_error"]
        for e in fused.of(Measured)
        if "reconstruction_error" in e.values
    ]
    assert errors
    assert set(errors) == {0.0}


@pytest.mark.parametrize("wiring", [{}, EXACT], ids=["plain", "bdia"])
def test_attention_and_mlp_of_each_block_are_compiled_and_nothing_else(realise, wiring):
    setting = realise(**wiring, train={"compile": True})
    with_compiled_parts(setting)

    names = {name.rpartition("blocks.")[2] for name in compiled(setting)}
    assert names == {f"{block}.{part}" for block in range(3) for part in ("attn", "mlp")}
    assert setting.model.state_dict().keys() == realise(**wiring).model.state_dict().keys()


def test_nothing_is_compiled_unless_it_is_asked_for(realise):
    setting = realise()
    with_compiled_parts(setting)

    assert compiled(setting) == set()


def test_a_model_without_parts_is_refused(realise, small):
    own = {"model": {"architecture": "mlp", "depth": 2}}
    plan = Plan.model_validate(small().model_dump() | own)
    setting = realise()
    setting.plan = plan.model_copy(
        update={"train": plan.train.model_copy(update={"compile": True})}
    )
    setting.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    with pytest.raises(
        ProfileError, match=r"train\.compile: the blocks of Sequential have no parts"
    ):
        with_compiled_parts(setting)


def test_without_a_compiler_the_cpu_is_refused(realise, monkeypatch, tmp_path):
    setting = realise(train={"compile": True})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(ProfileError, match=r"train\.compile: a C\+\+ compiler is needed"):
        with_compiled_parts(setting)


def test_tf32_is_refused_where_there_is_none_and_its_switch_is_put_back():
    with pytest.raises(ProfileError, match=r"train\.precision: tf32 is arithmetic of NVIDIA GPUs"):
        precision.prepare("tf32", torch.device("cpu"))
    with pytest.raises(
        ValueError, match=r"tf32 is arithmetic of NVIDIA GPUs, and train\.device is cpu"
    ):
        Plan.model_validate({"name": "n", "train": {"precision": "tf32", "device": "cpu"}})

    before = torch.get_float32_matmul_precision()
    with precision.products("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
