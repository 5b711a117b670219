"""What can be known before a run exists: without torch where that will do, and alike in this process and another."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm

from revconsole.errors import (
    DataUnavailable,
    DeviceUnavailable,
    NotInvertible,
    ProfileError,
    RevconsoleError,
    UnknownName,
)
from revconsole.lab import own_code, timm_names
from revconsole.lab.examiner import Examiner
from revconsole.lab.judging import needs_torch
from revconsole.lab.lab import Lab
from revconsole.records.datasets import catalogue
from revconsole.records.settings import verdict
from revconsole.records.settings.plan import Plan

OF_TIMM = {"model.architecture": "timm", "scheme.name": "residual", "data.image_size": 32}


def test_the_names_are_those_that_timm_lists():
    assert timm_names.names() == set(timm.list_models())
    for name in ("vit_tiny_patch16_224", "vit_tiny_patch16_224.augreg_in21k", "tv_resnext50_32x4d",
                 "vit_base_patch16_224_in21k"):  # fmt: skip
        assert timm.is_model(name)
        timm_names.refuse_unknown(name)
    with pytest.raises(UnknownName, match="did you mean 'gcvit_tiny'"):
        timm_names.refuse_unknown("vit_tny")


@pytest.mark.parametrize("prefix", ["hf_hub:timm/", "hf-hub:timm/", "timm/"])
def test_a_name_as_the_hub_writes_it_is_the_same_plan(prefix):
    model = {"architecture": "timm", "name": "test_vit.r160_in1k"}
    plain = Plan.model_validate({"name": "a", "model": model})
    longer = model | {"name": f"{prefix}test_vit.r160_in1k"}

    assert Plan.model_validate({"name": "a", "model": longer}).digest() == plain.digest()


def test_a_name_of_somebody_else_on_the_hub_is_refused(tmp_path):
    lab = Lab(tmp_path / "runs")
    planned = lab.plan("demo", OF_TIMM | {"model.name": "hf-hub:someone/test_vitt"})

    with pytest.raises(
        ProfileError,
        match=r"model\.name: there is no timm model 'test_vitt'; did you mean 'test_vit",
    ):
        lab.judge(planned.plans, set_in=planned.set_in).refuse_if_none()


def test_what_needs_no_torch_is_judged_without_it(tmp_path):
    """Of the plain vision transformers nothing is left to ask torch."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom revconsole.lab.lab import Lab\n"
        "lab = Lab(Path('runs'))\nplanned = lab.plan('demo')\n"
        "lab.judge(planned.plans, set_in=planned.set_in).refuse_if_none()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, False),
        ({"train": {"device": "cuda"}}, True),
        ({"train": {"precision": "bf16"}}, True),
        ({"train": {"freeze": "blocks.*"}}, True),
        ({"model": {"architecture": "vit", "stem": "conv"}}, True),
        ({"model": {"architecture": "resnet"}}, True),
        ({"model": {"architecture": "timm", "name": "test_vit"}}, True),
        ({"model": {"architecture": "mlp"}}, False),
    ],
)
def test_torch_is_asked_where_it_has_something_to_say(changes, needed):
    assert needs_torch(Plan.model_validate({"name": "a", **changes})) == needed


def test_the_other_process_says_the_same(tmp_path):
    lab, examiner = Lab(tmp_path / "runs"), Examiner()
    cases = [
        {"train.device": "cuda:9"},
        {"train.precision": "fp16"},
        OF_TIMM | {"model.name": "vit_tiny_patch16_224", "data.image_size": 28},
        OF_TIMM | {"model.name": "resnet18", "scheme.name": "additive", "seeds": 0},
        OF_TIMM | {"model.name": "test_vit", "seeds": 0},
    ]
    try:
        for settings in cases:
            planned = lab.plan("demo", settings)
            told = [judged(lab, planned), judged(lab, planned, ask=examiner)]

            assert told[0] == told[1]
            assert (told[0] is None) == (settings is cases[-1])
    finally:
        examiner.end()
    with pytest.raises(RevconsoleError, match="the process that examines models has ended"):
        examiner(planned.plans[0], lab.store, own_code=False)
    assert not (tmp_path / "runs").exists()


def judged(lab, planned, **how):
    try:
        lab.judge(planned.plans, set_in=planned.set_in, **how).refuse_if_none()
    except RevconsoleError as error:
        return type(error), str(error), error.exit_code
    return None


@pytest.mark.parametrize(
    "error",
    [
        ProfileError("here", "a.key", "a reason"),
        DataUnavailable("no file"),
        DeviceUnavailable("no device"),
        NotInvertible("no inverse"),
        RevconsoleError("whatever"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_verdict_survives_its_way(error):
    with pytest.raises(type(error)) as read:
        verdict.raise_from(verdict.as_line(error))
    assert (str(read.value), read.value.exit_code) == (str(error), error.exit_code)
    verdict.raise_from(verdict.as_line(None))


def test_somebodys_function_is_looked_up_and_not_run():
    Path("pack/deep").mkdir(parents=True)
    Path("pack/deep/mine.py").write_text(
        "raise SystemExit('ran')\ndef one(): ...\nif True:\n    two = one\nfrom os import path as three\n"
    )
    Path("star.py").write_text("from pack import *\n")
    for source in ("pack.deep.mine:one", "pack.deep.mine:two", "pack.deep.mine:three", "star:any",
                   "torch.nn:Linear", "math:sin"):  # fmt: skip
        own_code.refuse_missing(source, where="here")
    with pytest.raises(UnknownName, match=r"function of pack\.deep\.mine 'four'"):
        own_code.refuse_missing("pack.deep.mine:four", where="here")
    with pytest.raises(ProfileError, match=r"there is no module 'pack\.shallow'"):
        own_code.refuse_missing("pack.shallow.mine:one", where="here")


def test_downloads_come_from_where_torchvision_has_them():
    from torchvision.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST

    known = catalogue.datasets()
    assert list(known["mnist"].download_from) == MNIST.mirrors
    assert list(known["fashion_mnist"].download_from) == FashionMNIST.mirrors
    for name, theirs in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        assert known[name].download_from == (theirs.url.rpartition("/")[0] + "/",)


def test_weights_are_kept_where_another_process_finds_them():
    model = {"architecture": "vit", "weights": "here.pth"}
    own = Plan.model_validate({"name": "a", "model": model})
    timms = model | {"architecture": "timm", "name": "test_vit"}
    plan = Plan.model_validate({"name": "a", "model": timms})

    assert plan.model.weights == str(Path("here.pth").absolute())
    assert own.model.weights == plan.model.weights


def test_weights_of_a_run_that_do_not_fit_or_are_gone_are_said_before(tmp_path):
    lab = Lab(tmp_path / "runs")
    short = {
        "scheme.name": "residual", "backward": "stored", "seeds": 0, "train.epochs": 1, "data.train_limit": 60,
        "schedule.warmup_epochs": 0, "train.audit": False, "train.probe_epochs": 0, "model.depth": 1,
    }  # fmt: skip
    (run,) = lab.launch(lab.plan("demo", short))
    assert lab.wait(300)
    start = short | {"model.pretrained": f"run:{run}"}

    assert judged(lab, lab.plan("demo", start)) is None
    kind, sentence, code = judged(lab, lab.plan("demo", start | {"model.mlp_ratio": 3.0}))
    assert (kind, code) == (DataUnavailable, 4)
    assert f"the encoder of run {run} does not fit this model: blocks.0.mlp" in sentence
    with pytest.raises(ProfileError, match=r"has model\.norm_eps None and this model 1e-12"):
        lab.plan("demo", start | {"model.norm_eps": 1e-12})
    shutil.rmtree(lab.store.folder(run) / "checkpoints")
    kind, sentence, code = judged(lab, lab.plan("demo", start))
    assert (kind, code) == (DataUnavailable, 4)
    assert "has no whole checkpoint to start from" in sentence
    assert len(lab.store.list()) == 1
