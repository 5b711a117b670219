"""Weights of transformers' vision transformers compute here what they compute there, or are refused with the reason.

The files in `made/` are what `save_pretrained` of transformers 5.24 wrote of networks of one or two blocks with drawn
weights, and `answers.safetensors` beside each holds four images and what transformers says of them.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
import timm as library
import torch
from safetensors.torch import load_file, save_file

from revconsole.errors import DataUnavailable, ProfileError
from revconsole.models import _huggingface, _weights_file, timm, vit
from revconsole.models._naming import bare
from revconsole.records.sections.model import TimmModel, Vit

MADE = Path(__file__).parent / "made"
SIDE, CLASSES = 8, 3
TINY = {"patch": 4, "dim": 8, "depth": 1, "heads": 2, "mlp_width": 16}
SHAPE = {"img_size": SIDE, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 2}  # fmt: skip
OF_TIMM = {
    "vit": ("vit_tiny_patch16_224", {"num_classes": CLASSES}),
    "deit": ("deit_tiny_distilled_patch16_224", {"num_classes": CLASSES}),
    "dinov2": ("vit_small_patch14_dinov2", {"num_classes": 0}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"num_classes": 0}),
    "swiglu": ("vit_giant_patch14_dinov2", {"num_classes": 0, "mlp_ratio": 4}),
    "mae": ("vit_tiny_patch16_224", {"num_classes": 0}),
}
"""timm's network for each kind, and its arguments beside the shape."""
ROUNDING = 2e-6
"""Sums of a few dozen float32 near 1 in another order."""


def by_transformers(kind, folder):
    """Make the files of a kind with transformers itself; this is how `made/` was made."""
    import transformers as hf

    common = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 4}  # fmt: skip
    plain = common | {"intermediate_size": 16, "num_labels": CLASSES}
    dino = common | {"mlp_ratio": 2, "layerscale_value": 0.5}
    decoder = {
        f"decoder_{name}": size
        for name, size in {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}.items()
    }  # fmt: skip
    make = {
        "vit": lambda: hf.ViTForImageClassification(hf.ViTConfig(**plain)),
        "deit": lambda: hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**plain, layer_norm_eps=1e-6)),
        "dinov2": lambda: hf.Dinov2Model(hf.Dinov2Config(**dino)),
        "registers": lambda: hf.Dinov2WithRegistersModel(hf.Dinov2WithRegistersConfig(**dino)),
        "swiglu": lambda: hf.Dinov2Model(hf.Dinov2Config(**dino | {"mlp_ratio": 3, "use_swiglu_ffn": True})),
        "mae": lambda: hf.ViTMAEForPreTraining(hf.ViTMAEConfig(**plain, **decoder, mask_ratio=0.0)),
    }  # fmt: skip
    torch.manual_seed(0)
    model = make[kind]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        images = torch.randn(4, 3, SIDE, SIDE)
        inside = model.vit if kind == "mae" else model
        said = inside(images)
    model.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "names of transformers 5.pth")
    answer = said.logits if "logits" in said else said.last_hidden_state[:, 0]
    save_file({"images": images, "answer": answer.contiguous()}, folder / "answers.safetensors")


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.skipif(
    "REVCONSOLE_FAULTS" not in os.environ, reason="imports transformers; `make faults` runs it"
))], ids=["kept", "made now"])  # fmt: skip
def folder_of(request, tmp_path):
    """`folder_of(kind)`: a folder with the files of a kind, those in `made/` or new ones."""

    def of(kind):
        if not request.param:
            return MADE / kind
        by_transformers(kind, tmp_path)
        return tmp_path

    return of


def answers(folder):
    kept = load_file(folder / "answers.safetensors")
    return kept["images"], kept["answer"]


def says(model, images):
    with torch.inference_mode():
        return model.eval()(images)


@pytest.mark.parametrize("kind", OF_TIMM)
def test_timms_network_says_of_images_what_transformers_says(folder_of, kind):
    folder = folder_of(kind)
    images, answer = answers(folder)
    for path in (folder / "model.safetensors", *folder.glob("*.pth")):
        content = _weights_file.read(path, taker="timm")
        name, more = OF_TIMM[kind]
        model = library.create_model(name, **SHAPE | more)
        model.load_state_dict(bare(content.weights, model, path).weights)
        for norm in model.modules():
            if isinstance(norm, torch.nn.LayerNorm):
                norm.eps = content.computes.epsilon or norm.eps

        torch.testing.assert_close(says(model, images), answer, atol=ROUNDING, rtol=ROUNDING)


IN_MEMORY = (
    ("encoder.layer.", "layers."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
    ("mlp.weights_out", "mlp.down_proj"),
)
"""Names in files, and those that transformers 5 has in memory."""


@pytest.mark.parametrize("kind", ["vit", "swiglu"])
def test_the_names_that_transformers_has_in_memory_mean_the_same(kind):
    weights, named = load_file(MADE / kind / "model.safetensors"), {}
    for name, weight in weights.items():
        for in_files, in_memory in IN_MEMORY:
            name = name.replace(in_files, in_memory)  # noqa: PLW2901  one word after the other
        halves = [(name, weight)]
        if "weights_in" in name:
            words = ("gate_proj", "up_proj")
            halves = [
                (name.replace("weights_in", w), h)
                for w, h in zip(words, weight.chunk(2), strict=True)
            ]
        named |= dict(halves)

    expected, found = _huggingface.translated(weights), _huggingface.translated(named)

    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())


def own(folder, **settings):
    return vit.build(Vit(**TINY | settings, weights=str(folder)), size=SIDE, channels=3, classes=CLASSES)  # fmt: skip


def test_our_own_network_says_it_too_with_the_epsilon_of_the_configuration(folder_of):
    folder = folder_of("vit")
    images, answer = answers(folder)

    model = own(folder, norm_eps=1e-12)

    torch.testing.assert_close(says(model, images), answer, atol=ROUNDING, rtol=ROUNDING)
    scaled = own(folder_of("dinov2"), layer_scale=1.0)
    assert not scaled.head.weight.any()
    scaled.reset_classifier(0)
    images, answer = answers(folder_of("dinov2"))
    torch.testing.assert_close(says(scaled, images), answer, atol=ROUNDING, rtol=ROUNDING)


REFUSED = {
    "another epsilon": ("vit", {}, {}, r"says layer_norm_eps 1e-12, and the model has 1e-06; set model.norm_eps=1e-12"),
    "other heads": ("vit", {"heads": 4, "norm_eps": 1e-12}, {}, "says 2 heads, and the model has 4"),
    "another activation": ("vit", {"norm_eps": 1e-12}, {"hidden_act": "relu"}, "says activation relu, and the model has gelu"),
    "a distilled one": ("deit", {}, {}, "it has dist_token, head_dist.bias and 1 more and the model has not"),
    "LayerScale": ("dinov2", {}, {}, r"it has blocks.0.ls1.gamma, blocks.0.ls2.gamma and the model has not"),
    "no LayerScale": ("vit", {"norm_eps": 1e-12, "layer_scale": 1e-5}, {}, r"it lacks blocks.0.ls1.gamma"),
    "registers": ("registers", {"layer_scale": 1.0}, {}, "it has reg_token and the model has not"),
    "a gated MLP": ("swiglu", {"layer_scale": 1.0}, {}, "says activation silu, and the model has gelu"),
    "a gated MLP without its configuration": ("swiglu", {"layer_scale": 1.0}, None, "mlp.fc1.weight is 32×8 in the file and 16×8"),
    "another stem": ("vit", {"norm_eps": 1e-12, "stem": "conv"}, {}, "it lacks patch_embed"),
    "fixed positions": ("vit", {"norm_eps": 1e-12, "position": "sinusoidal"}, {}, "positions are not the sines"),
    "a configuration that is torn": ("vit", {}, "{", "is no configuration that could be read"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "settings", "change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_network_that_computes_something_else_is_refused(
    tmp_path, kind, settings, change, sentence
):
    shutil.copy(MADE / kind / "model.safetensors", tmp_path)
    if isinstance(change, dict):
        config = json.loads((MADE / kind / "config.json").read_text()) | change
        (tmp_path / "config.json").write_text(json.dumps(config))
    elif change is not None:
        (tmp_path / "config.json").write_text(change)

    with pytest.raises(DataUnavailable, match=sentence):
        own(tmp_path, **settings)


def test_a_head_that_is_only_half_there_starts_from_zeros_with_the_other(tmp_path):
    weights = load_file(MADE / "deit" / "model.safetensors")
    path = tmp_path / "w.safetensors"
    save_file({n: w for n, w in weights.items() if "distillation_classifier" not in n}, path)
    content = _weights_file.read(path, taker="timm")
    model = library.create_model("deit_tiny_distilled_patch16_224", **SHAPE, num_classes=CLASSES)

    zeros = timm._weights.renewed_heads(bare(content.weights, model, path).weights, model)

    assert zeros == ("head", "head_dist")


THEIRS = {
    "cls_token": "vit.embeddings.cls_token",
    "pos_embed": "vit.embeddings.position_embeddings",
    "patch_embed.proj": "vit.embeddings.patch_embeddings.projection",
    "norm.": "vit.layernorm.",
    "head.": "classifier.",
    "blocks.": "vit.encoder.layer.",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def test_a_model_of_timms_starts_from_it_with_an_epsilon_of_its_own(tmp_path):
    source = library.create_model("test_vit", img_size=32, num_classes=CLASSES).state_dict()
    named = {}
    for name, weight in source.items():
        for ours, theirs in THEIRS.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901  one word after the other
        parts = [("attn.qkv", weight)] if "attn.qkv" not in name else [
            (f"attention.attention.{part}", third)
            for part, third in zip(("query", "key", "value"), weight.chunk(3), strict=True)
        ]  # fmt: skip
        named |= {name.replace("attn.qkv", theirs): third.clone() for theirs, third in parts}
    save_file(named, tmp_path / "model.safetensors")
    settings = TimmModel(name="test_vit", weights=str(tmp_path), norm_eps=1e-12)

    model = timm.build(settings, size=32, channels=3, classes=CLASSES)

    assert all(torch.equal(weight, source[name]) for name, weight in model.state_dict().items())
    assert {n.eps for n in model.modules() if isinstance(n, torch.nn.LayerNorm)} == {1e-12}
    with pytest.raises(ProfileError, match="has no LayerNorm"):
        timm.build(TimmModel(name="test_resnet", norm_eps=1e-6), size=32, channels=3, classes=3)
