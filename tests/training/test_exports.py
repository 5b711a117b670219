"""A run's network in the hands of others: read back in a process that knows nothing of revconsole, or refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from revconsole.errors import NotExported
from revconsole.records.settings.plan import Plan
from revconsole.training.exports import exporting, timm_call
from revconsole.training.exports.subject import subject_of
from revconsole.training.setup.build import without_memory

FOREIGN = """
import json, sys
sys.modules["revconsole"] = None  # whoever asks for it gets an ImportError
import numpy, onnxruntime, timm, torch
from PIL import Image
folder = sys.argv[1]
read = lambda name: torch.from_numpy(numpy.load(f"{folder}/{name}.npy"))
inputs, pixels = read("inputs"), read("pixels")
config = json.load(open(f"{folder}/timm/config.json"))
by_folder = timm.create_model(f"local-dir:{folder}/timm", pretrained=True).eval()
by_path = timm.create_model(
    config["architecture"], num_classes=config["num_classes"], **config["model_args"],
    checkpoint_path=f"{folder}/timm/model.safetensors",
).eval()
data = timm.data.resolve_model_data_config(by_folder)
transform = timm.data.create_transform(**data, is_training=False)
image = Image.fromarray(pixels[0, 0].numpy())
session = onnxruntime.InferenceSession(f"{folder}/onnx/model.onnx")
with torch.inference_mode():
    found = {
        "folder": by_folder(inputs),
        "path": by_path(inputs),
        "program": torch.export.load(f"{folder}/torch/model.pt2").module()(pixels),
        "transformed": transform(image),
        "onnx": torch.from_numpy(session.run(None, {"images": pixels[:3].numpy()})[0]),
    }
numpy.savez(f"{folder}/found.npz", **{name: tensor.numpy() for name, tensor in found.items()})
"""
SAME_TERMS = 1e-5
"""Sums in another order, float32, of logits near 1."""
TINY = {"depth": 1, "dim": 16, "heads": 2, "mlp_ratio": 1.0}


@pytest.fixture(scope="module")
def known():
    """Plan and checkpoints of the runs that this file has trained, by scheme."""
    return {}


@pytest.fixture
def trained(small, runner, known, tmp_path_factory):
    """`trained(scheme)`: the plan and the checkpoints of a run of one epoch, each scheme trained once."""

    def of(scheme):
        if scheme not in known:
            lasting = type(runner)(tmp_path_factory.mktemp("runs"))
            plan = small(scheme={"name": scheme}, model=TINY, train={"epochs": 1})
            lasting(plan)
            known[scheme] = plan, lasting.checkpoints()
        return known[scheme]

    return of


THOROUGH = pytest.mark.skipif(
    "REVCONSOLE_FAULTS" not in os.environ, reason="takes long; `make faults` runs it"
)


def test_timm_and_torch_compute_the_logits_of_the_run_from_what_was_written(trained, tmp_path):
    plain, other = (subject_of(*trained(scheme), data=tmp_path) for scheme in ("bdia", "momentum"))
    for to, scheme in (("timm", "bdia"), ("torch", "momentum")):
        (tmp_path / to).mkdir()
        found = exporting.export(*trained(scheme), to=to, folder=tmp_path / to, data=tmp_path)
        assert found.difference == 0
        assert found.names == tuple("0123456789")

    model = timm.create_model(f"local-dir:{tmp_path}/timm", pretrained=True).eval()
    program = torch.export.load(tmp_path / "torch" / "model.pt2").module()
    transform = timm.data.create_transform(
        **timm.data.resolve_model_data_config(model), is_training=False
    )
    with torch.inference_mode():
        assert torch.equal(model(plain.inputs), plain.logits)
        few = program(other.pixels[:3])
        torch.testing.assert_close(few, other.logits[:3], atol=SAME_TERMS, rtol=0)
    prepared = transform(Image.fromarray(plain.pixels[0, 0].numpy()))
    torch.testing.assert_close(prepared, plain.inputs[0], atol=SAME_TERMS, rtol=0)


@THOROUGH
@pytest.mark.interpreter
def test_a_process_without_revconsole_computes_the_same_logits(trained, tmp_path):
    plain, other = (subject_of(*trained(scheme), data=tmp_path) for scheme in ("bdia", "momentum"))
    np.save(tmp_path / "inputs.npy", plain.inputs.numpy())
    np.save(tmp_path / "pixels.npy", plain.pixels.numpy())
    for to, scheme in (("timm", "bdia"), ("torch", "momentum"), ("onnx", "momentum")):
        (tmp_path / to).mkdir()
        exporting.export(*trained(scheme), to=to, folder=tmp_path / to, data=tmp_path)

    subprocess.run([sys.executable, "-c", FOREIGN, str(tmp_path)], check=True, cwd=tmp_path)

    found = np.load(tmp_path / "found.npz")
    for name, subject in (("folder", plain), ("path", plain), ("program", other)):
        assert np.array_equal(found[name], subject.logits.numpy()), name
    np.testing.assert_allclose(found["onnx"], other.logits[:3].numpy(), atol=SAME_TERMS)
    # timm's own transform of the image is what the network was given in the run.
    np.testing.assert_allclose(found["transformed"], plain.inputs[0].numpy(), atol=SAME_TERMS)
    config = json.loads((tmp_path / "onnx" / "config.json").read_text())
    assert config["input"]["shape"] == ["batch", 1, 8, 8]
    assert config["label_names"] == list("0123456789")


@THOROUGH
def test_transformers_reads_the_folder_with_the_names_of_the_classes(trained, tmp_path):
    plan, checkpoints = trained("bdia")

    found = exporting.export(plan, checkpoints, to="hf", folder=tmp_path, data=tmp_path)

    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(tmp_path, local_files_only=True)
    assert tuple(config.id2label.values()) == found.names == tuple("0123456789")
    assert found.difference == 0


def test_what_sees_oblong_images_is_prepared_and_computed_so_by_timm(small, runner, tmp_path):
    table = small(scheme={"name": "residual"}, model=TINY, train={"epochs": 1}).model_dump(
        mode="json"
    )
    plan = Plan.model_validate(
        table | {"data": table["data"] | {"image_size": 8, "image_width": 12}}
    )
    runner(plan)

    found = exporting.export(plan, runner.checkpoints(), to="timm", folder=tmp_path, data=tmp_path)

    assert (found.difference, found.side, found.width) == (0, 8, 12)
    subject = subject_of(plan, runner.checkpoints(), data=tmp_path)
    model = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    with torch.inference_mode():
        assert torch.equal(model(subject.inputs), subject.logits)
    transform = timm.data.create_transform(
        **timm.data.resolve_model_data_config(model), is_training=False
    )
    pixels = torch.arange(96, dtype=torch.uint8).reshape(8, 12)
    prepared = transform(Image.fromarray(pixels.numpy()))
    expected = subject.state.data.test.preparation.standardisation(pixels.reshape(1, 1, 8, 12))
    torch.testing.assert_close(prepared, expected[0], atol=SAME_TERMS, rtol=0)


def test_a_network_that_takes_images_of_any_size_is_read_back_too(small, runner, tmp_path):
    table = small(scheme={"name": "residual"}, train={"epochs": 1}).model_dump(mode="json")
    model = {"architecture": "timm", "name": "test_resnet"}
    plan = Plan.model_validate(table | {"model": model, "data": table["data"] | {"image_size": 16}})
    runner(plan)

    found = exporting.export(plan, runner.checkpoints(), to="timm", folder=tmp_path, data=tmp_path)

    assert found.difference == 0


def test_a_network_that_would_compute_something_else_is_refused(trained, tmp_path, monkeypatch):
    plan, checkpoints = trained("bdia")
    right = timm_call.timm_call(plan)
    wrong = right[0], {**right[1], "global_pool": "avg"}
    monkeypatch.setattr("revconsole.training.exports.timm_folder.timm_call", lambda _: wrong)

    with pytest.raises(NotExported, match=r"cannot write its network|differs from the run's"):
        exporting.export(plan, checkpoints, to="timm", folder=tmp_path, data=tmp_path)


def test_an_epsilon_that_makes_a_difference_is_the_reason_of_a_refusal(trained, tmp_path):
    plan, checkpoints = trained("bdia")
    other = plan.model_copy(update={"model": plan.model.model_copy(update={"norm_eps": 0.5})})

    with pytest.raises(NotExported, match=r"cannot say model\.norm_eps; --to torch"):
        exporting.export(other, checkpoints, to="timm", folder=tmp_path, data=tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": {"stem": "conv"}}, "no model.stem=conv"),
        ({"model": {"attention": "linear"}}, "no model.attention=linear"),
        ({"model": {"pool": "sequence"}}, "no model.pool=sequence"),
        ({"scheme": {"name": "additive"}}, "scheme 'additive' computes another function"),
        ({"scheme": {"name": "bdia", "evaluation_gamma": 0.5}}, "scheme 'bdia' computes another"),
    ],
    ids=str,
)
def test_what_timm_has_not_is_said(small, changes, sentence):
    with pytest.raises(NotExported, match=sentence):
        timm_call.timm_call(small(**changes))


def test_a_learner_without_labels_names_no_class(small, runner, tmp_path):
    plan = small(objective={"name": "mae"})
    with pytest.raises(NotExported, match=r"learnt without labels \(mae\)"):
        subject_of(plan, runner.checkpoints(), data=tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "resnet", "layers": 18},
        {"architecture": "swin", "variant": "mini"},
        {"architecture": "timm", "name": "test_vit", "patch": 8, "drop_path": 0.1},
        {"architecture": "vit", "patch": 4, "pool": "mean", "position": "sinusoidal", "dim": 16, "heads": 2},
        {"architecture": "vit", "position": "none", "layer_scale": 0.1, "final_norm": False, "dim": 8, "heads": 2},
    ],
    ids=lambda model: "-".join(map(str, model.values())),
)  # fmt: skip
def test_timm_builds_the_network_of_every_plan_that_is_not_refused(small, model):
    table = small().model_dump(mode="json") | {"model": model, "scheme": {"name": "residual"}}
    plan = Plan.model_validate(table | {"data": table["data"] | {"image_size": 32}})
    name, arguments = timm_call.timm_call(plan)
    with torch.device("meta"):
        theirs = timm.create_model(name, num_classes=10, **arguments).state_dict()

    ours = without_memory(plan).state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}
