"""Weights of others: each way of writing a network to a file gives its tensors, and what is not the network is left out."""

import numpy as np
import pytest
import timm as library
import torch
from safetensors.torch import save_file

from revconsole.errors import DataUnavailable
from revconsole.models import timm, vit
from revconsole.records.sections.model import TimmModel, Vit

TINY = "test_vit"  # timm's own miniature: width 64, 6 blocks, 2 heads, patches of 16


def build(path, *, name=TINY, size=32, channels=3, classes=10):
    settings = TimmModel(name=name, weights=str(path))
    return timm.build(settings, size=size, channels=channels, classes=classes)


def own(path, *, channels=3, classes=10, width=None):
    sizes = {"patch": 16, "dim": 64, "depth": 6, "heads": 2, "mlp_width": 192}
    settings = Vit(**sizes, weights=str(path))
    return vit.build(settings, size=32, width=width, channels=channels, classes=classes)


@pytest.fixture(scope="module")
def source():
    """A network of the size that the tests load into, each of its tensors drawn."""
    torch.manual_seed(0)
    model = library.create_model(TINY, img_size=32, num_classes=10)
    return {name: torch.randn_like(value) for name, value in model.state_dict().items()}


def equal_to(source, model):
    return all(torch.equal(value, source[name]) for name, value in model.state_dict().items())


def arrays(*, layout, side=2, classes=10, width=64, heads=2, blocks=6, hidden=192):
    """A vision transformer of Google's: its names and shapes, drawn. layout: of the paper, or big_vision's."""
    draw = np.random.default_rng(0)
    paper = layout == "paper"
    attention = f"MultiHeadDotProductAttention_{int(paper)}"
    mlp, second = ("MlpBlock_3", "LayerNorm_2") if paper else ("MlpBlock_0", "LayerNorm_1")
    each = width // heads
    block = {
        **{f"LayerNorm_0/{kind}": (width,) for kind in ("scale", "bias")},
        **{f"{second}/{kind}": (width,) for kind in ("scale", "bias")},
        **{f"{attention}/{part}/kernel": (width, heads, each) for part in ("query", "key", "value")},
        **{f"{attention}/{part}/bias": (heads, each) for part in ("query", "key", "value")},
        f"{attention}/out/kernel": (heads, each, width),
        f"{attention}/out/bias": (width,),
        f"{mlp}/Dense_0/kernel": (width, hidden),
        f"{mlp}/Dense_0/bias": (hidden,),
        f"{mlp}/Dense_1/kernel": (hidden, width),
        f"{mlp}/Dense_1/bias": (width,),
    }  # fmt: skip
    shapes = {
        "cls": (1, 1, width),
        "embedding/kernel": (16, 16, 3, width),
        "embedding/bias": (width,),
        "Transformer/encoder_norm/scale": (width,),
        "Transformer/encoder_norm/bias": (width,),
        "head/kernel": (width, classes),
        "head/bias": (classes,),
        ("Transformer/posembed_input/" if paper else "") + "pos_embedding": (1, side**2 + 1, width),
    }
    for name, shape in block.items():
        if paper:
            shapes |= {f"Transformer/encoderblock_{n}/{name}": shape for n in range(blocks)}
        else:
            shapes[f"Transformer/encoderblock/{name}"] = (blocks, *shape)
    if paper:
        shapes |= {"pre_logits/kernel": (width, width), "pre_logits/bias": (width,)}
    root = "" if paper else "params/"
    return {f"{root}{k}": draw.normal(size=shape).astype(np.float32) for k, shape in shapes.items()}


@pytest.mark.parametrize("layout", ["paper", "big_vision"])
@pytest.mark.parametrize("side", [2, 4], ids=["the same size", "positions of a larger image"])
def test_googles_arrays_are_the_tensors_that_timms_own_loader_makes(tmp_path, layout, side):
    path = tmp_path / "vit.npz"
    np.savez(path, **arrays(layout=layout, side=side))
    theirs = library.create_model(TINY, img_size=32, num_classes=10)
    theirs.load_pretrained(str(path))

    ours = build(path)

    assert equal_to(theirs.state_dict(), ours)


def test_of_googles_arrays_head_and_patches_give_way_as_of_any_file(tmp_path):
    np.savez(tmp_path / "vit.npz", **arrays(layout="paper", classes=21))

    model = build(tmp_path / "vit.npz", channels=1, classes=7)

    assert not model.head.weight.any()
    assert model.patch_embed.proj.weight.shape[1] == 1


def test_an_npz_of_something_else_is_refused(tmp_path):
    whole = arrays(layout="paper")
    key = "Transformer/encoderblock_3/MultiHeadDotProductAttention_1/key/kernel"
    contents = {
        "it is no vision transformer of Google's": {"weight": np.zeros(3)},
        "of no such kind": whole | {"cls": np.zeros((1, 1, 64), dtype="V2")},
        "no whole vision transformer": {k: v for k, v in whole.items() if k != key},
        "encoderblock_2/Adapter_0/scale": whole
        | {"Transformer/encoderblock_2/Adapter_0/scale": np.zeros(3)},
        "is not a file of weights": {"embedding/kernel": np.array([{}], dtype=object)},
    }
    for number, (sentence, content) in enumerate(contents.items()):
        np.savez(tmp_path / f"{number}.npz", allow_pickle=True, **content)
        with pytest.raises(DataUnavailable, match=sentence):
            build(tmp_path / f"{number}.npz")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "0.npz").read_bytes()[:60])
    with pytest.raises(DataUnavailable, match="is not a file of weights"):
        build(tmp_path / "torn.npz")


def under(prefix, tensors):
    return {f"{prefix}{name}": value for name, value in tensors.items()}


OTHERS = {
    "DINO's teacher": lambda w, other: {
        "student": under("module.backbone.", other),
        "teacher": under("backbone.", w) | {"head.mlp.0.weight": torch.ones(3, 3)},
        "epoch": 3,
    },
    "iBOT's, with its masked token": lambda w, _: {
        "state_dict": under("module.backbone.", w | {"masked_embed": torch.ones(1, 64)})
    },
    "Lightning's, with a loss that has weights": lambda w, _: {
        "state_dict": under("model.", w) | {"criterion.weight": torch.ones(10)},
        "hyper_parameters": {"lr": 0.1},
    },
    "MAE's, with its decoder": lambda w, _: {
        "model": w | {"mask_token": torch.ones(1, 1, 8), "decoder_blocks.0.norm1.weight": torch.ones(8)}
    },
    "DINOv2's, with its masked token": lambda w, _: w | {"mask_token": torch.ones(1, 64)},
    "a compiled and distributed one": lambda w, _: under("_orig_mod.module.", w),
    "a learner with other parts": lambda w, _: under("net.encoder.", w)
    | {"net.queue": torch.ones(4), "temperature": torch.ones(1)},
}  # fmt: skip


@pytest.mark.parametrize("wrapped", OTHERS.values(), ids=OTHERS)
def test_the_network_is_found_in_what_others_save(tmp_path, source, wrapped):
    other = {name: torch.zeros_like(value) for name, value in source.items()}
    torch.save(wrapped(source, other), tmp_path / "w.pth")

    assert equal_to(source, build(tmp_path / "w.pth"))


@pytest.mark.parametrize("wrapped", OTHERS.values(), ids=OTHERS)
def test_our_own_vit_takes_what_others_save(tmp_path, source, wrapped):
    other = {name: torch.zeros_like(value) for name, value in source.items()}
    torch.save(wrapped(source, other), tmp_path / "w.pth")

    assert equal_to(source, own(tmp_path / "w.pth"))


@pytest.mark.parametrize("layout", ["paper", "big_vision"])
def test_our_own_vit_takes_googles_arrays_as_timms_loader_does(tmp_path, layout):
    np.savez(tmp_path / "vit.npz", **arrays(layout=layout, side=4))
    theirs = library.create_model(TINY, img_size=32, num_classes=10)
    theirs.load_pretrained(str(tmp_path / "vit.npz"))

    assert equal_to(theirs.state_dict(), own(tmp_path / "vit.npz"))
    oblong = own(tmp_path / "vit.npz", channels=1, classes=7, width=64)
    assert oblong.pos_embed.shape == (1, 1 + 2 * 4, 64)
    assert not oblong.head.weight.any()


def test_a_file_that_holds_the_network_twice_is_refused(tmp_path, source):
    torch.save(under("base.", source) | under("momentum.", source), tmp_path / "w.pth")

    with pytest.raises(DataUnavailable, match=r"twice, under 'base\.' and 'momentum\.'"):
        build(tmp_path / "w.pth")


def test_weights_come_out_of_a_folder_and_the_local_hub_cache_and_nothing_is_downloaded(
    tmp_path, source, monkeypatch
):
    cache = tmp_path / "hub" / "models--them--theirs"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40)
    folder = cache / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    save_file(source, folder / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    assert equal_to(source, build("hf-hub:them/theirs"))
    assert equal_to(source, build(folder))
    for name, sentence in (("them/ours", "downloads nothing"), ("a/b/c", "no name of the hub")):
        with pytest.raises(DataUnavailable, match=sentence):
            build(f"hf-hub:{name}")
