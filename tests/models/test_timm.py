"""timm models by name: sized for the images, refused by name, weights from a file or in one sentence."""

import socket
import time
import zipfile

import pytest
import timm as library
import torch
from safetensors.torch import save_file

from revconsole.errors import DataUnavailable, ProfileError, UnknownName
from revconsole.models import timm
from revconsole.records.sections.model import TimmModel

TINY = "test_vit"  # timm's own miniature, 0.4 M parameters, made for 160 px
SOON_SECONDS = 60.0


def build(name=TINY, *, size=32, channels=3, classes=10, **settings):
    return timm.build(
        TimmModel(name=name, **settings), size=size, channels=channels, classes=classes
    )


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Every connection is refused, as without a network, and the hub cache is empty."""

    def refused(*_args, **_kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [("test_vit", 32, 1), ("resnet10t", 32, 3), ("test_convnext", 64, 3), ("mixer_s32_224", 64, 3)],
)
def test_models_of_every_kind_see_images_of_the_runs_size(name, size, channels):
    model = build(name, size=size, channels=channels, classes=7).eval()

    with torch.inference_mode():
        assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)


def test_patch_dropout_and_drop_path_are_set():
    model = build(patch=8, dropout=0.3, drop_path=0.2)

    assert model.patch_embed.patch_size == (8, 8)
    assert model.head_drop.p == 0.3
    assert model.blocks[-1].drop_path1.drop_prob == pytest.approx(0.2)


def test_a_family_that_says_its_own_way_that_it_takes_no_size_is_built():
    with torch.device("meta"):
        model = timm.build(TimmModel(name="poolformer_s12"), size=64, channels=3, classes=7)

    assert model.num_classes == 7


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        UnknownName, match="there is no timm model 'vit_tinny_patch16_224'; did you mean 'vit_t"
    ):
        build("vit_tinny_patch16_224")
    with pytest.raises(UnknownName) as refusal:
        build("q")
    assert len(str(refusal.value)) < 200


def test_a_tag_that_does_not_exist_is_refused():
    with pytest.raises(ProfileError, match=r"model\.name"):
        build("vit_tiny_patch16_224.no_such_tag")


def test_a_setting_the_model_does_not_take_is_refused_by_name():
    with pytest.raises(
        ProfileError, match=r"model\.patch: resnet10t has no patch; leave model\.patch out"
    ):
        build("resnet10t", patch=4)


def test_images_the_model_cannot_see_are_refused():
    with pytest.raises(ProfileError, match=r"vit_tiny_patch16_224 cannot"):
        build("vit_tiny_patch16_224", size=8)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_a_file_are_loaded_and_the_head_gives_way(tmp_path, suffix):
    source = library.create_model(TINY, num_classes=1000)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(source.state_dict(), path)

    model = build(size=160, weights=str(path))

    own, given = model.state_dict(), source.state_dict()
    assert torch.equal(own["blocks.0.attn.qkv.weight"], given["blocks.0.attn.qkv.weight"])
    assert own["head.weight"].shape == (10, given["head.weight"].shape[1])
    assert not own["head.weight"].any()
    assert not own["head.bias"].any()


def test_weights_with_as_many_classes_keep_their_head(tmp_path):
    source = library.create_model(TINY, num_classes=10)
    save_file(source.state_dict(), tmp_path / "w.safetensors")

    model = build(size=160, weights=str(tmp_path / "w.safetensors"))

    assert torch.equal(model.head.weight, source.head.weight)


def test_positions_are_resized_to_the_images(tmp_path):
    source = library.create_model(TINY, num_classes=10)
    save_file(source.state_dict(), tmp_path / "w.safetensors")

    model = build(size=64, weights=str(tmp_path / "w.safetensors"))

    assert model.pos_embed.shape[1] < source.pos_embed.shape[1]
    assert torch.equal(model.blocks[0].mlp.fc1.weight, source.blocks[0].mlp.fc1.weight)


def test_a_smaller_window_gives_every_relative_position_the_value_it_had(tmp_path):
    name, small = (
        "swin_tiny_patch4_window7_224",
        "layers.1.blocks.0.attn.relative_position_bias_table",
    )
    source = library.create_model(name, num_classes=10).state_dict()
    source[small] = (torch.arange(13.0) - 6).repeat(13)[:, None].repeat(1, source[small].shape[1])
    save_file(source, tmp_path / "w.safetensors")

    table = build(name, size=32, weights=str(tmp_path / "w.safetensors")).state_dict()[small]

    across = (torch.arange(7.0) - 3).expand(7, 7)
    torch.testing.assert_close(table[:, 0].reshape(7, 7), across, atol=0.05, rtol=0)


def test_weights_under_other_names_are_taken_where_every_tensor_has_its_counterpart(tmp_path):
    source = library.create_model("resnet10t", num_classes=7)
    tensors = {
        f"net.{n:03d}.{k.rpartition('.')[2]}": v
        for n, (k, v) in enumerate(source.state_dict().items())
    }
    torch.save(tensors, tmp_path / "theirs.pth")

    model = build("resnet10t", size=64, weights=str(tmp_path / "theirs.pth"))

    given = source.state_dict()
    assert all(torch.equal(v, given[k]) for k, v in model.state_dict().items() if k[:3] != "fc.")
    torch.save(dict(list(tensors.items())[1:]), tmp_path / "fewer.pth")
    with pytest.raises(DataUnavailable, match="does not fit resnet10t"):
        build("resnet10t", size=64, weights=str(tmp_path / "fewer.pth"))


def test_weights_of_another_architecture_are_refused_not_half_used(tmp_path):
    other = library.create_model("resnet10t", num_classes=5)
    path = tmp_path / "other.safetensors"
    save_file(other.state_dict(), path)

    with pytest.raises(DataUnavailable, match=r"other\.safetensors does not fit test_vit"):
        build(weights=str(path))


@pytest.mark.parametrize("content", [None, b"", b"not weights at all"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_missing_or_broken_weights_file_is_one_sentence(tmp_path, content, suffix):
    path = tmp_path / f"w{suffix}"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataUnavailable, match=r"model\.weights"):
        build(weights=str(path))


def test_a_weights_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "proof"), "w"))

    torch.save({"head.weight": Evil()}, tmp_path / "w.pth")

    with pytest.raises(DataUnavailable, match="tensors only"):
        build(weights=str(tmp_path / "w.pth"))
    assert not (tmp_path / "proof").exists()


@pytest.mark.usefixtures("no_network")
def test_pretrained_without_a_network_is_one_sentence_and_soon():
    began = time.monotonic()
    with pytest.raises(DataUnavailable) as refusal:
        build("vit_tiny_patch16_224", size=224, pretrained=True)

    assert time.monotonic() - began < SOON_SECONDS
    assert str(refusal.value) == (
        "the published weights of vit_tiny_patch16_224 are not in the local cache and huggingface.co "
        "cannot be reached; set model.weights to a file you have, or leave out model.pretrained"
    )


@pytest.mark.usefixtures("no_network")
def test_pretrained_where_nothing_was_published_says_so():
    with pytest.raises(
        ProfileError, match="there are no published weights for test_vit4; leave it"
    ):
        build("test_vit4", size=160, pretrained=True)


@pytest.mark.usefixtures("no_network")
def test_published_weights_in_the_local_cache_need_no_network(tmp_path):
    """The hub cache as huggingface_hub lays it out: a repository, a commit, a file."""
    source = library.create_model(TINY, num_classes=1000)
    repository = (
        tmp_path / "hub" / f"models--{source.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    )
    commit = repository / "snapshots" / "0123456789"
    commit.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789")
    save_file(source.state_dict(), commit / "model.safetensors")

    model = build(size=160, pretrained=True)

    assert torch.equal(model.blocks[0].mlp.fc1.weight, source.blocks[0].mlp.fc1.weight)
    assert not model.head.weight.any()
    kept = timm.build(TimmModel(name=TINY, pretrained=True), size=160, channels=3, classes=1000)
    assert torch.equal(kept.head.weight, source.head.weight)


@pytest.fixture
def large(tmp_path):
    """Drawn weights of the miniature at 224 pixels, in a file."""
    torch.manual_seed(0)
    source = library.create_model(TINY, img_size=224, num_classes=10)
    torch.nn.init.normal_(source.pos_embed)
    path = tmp_path / "large.safetensors"
    save_file(source.state_dict(), path)
    return source, str(path)


def test_the_position_table_is_resized_like_an_image(large):
    """14×14 places become 2×2; what belongs to tokens without a place is kept."""
    source, path = large
    model = build(size=32, weights=path)

    kept = model.num_prefix_tokens
    grid = source.pos_embed[:, kept:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(
        grid, size=(2, 2), mode="bicubic", antialias=True, align_corners=False
    )
    torch.testing.assert_close(model.pos_embed[:, kept:], resized.flatten(2).transpose(1, 2))
    assert torch.equal(model.pos_embed[:, :kept], source.pos_embed[:, :kept])


@pytest.mark.parametrize("channels", [1, 6])
def test_the_first_convolution_is_adapted_to_the_channels(large, channels):
    """A grey image, or two colour images on top of each other, excite it as one colour image does."""
    source, path = large
    model = build(size=224, channels=channels, weights=path)
    colour = torch.randn(1, 1, 224, 224).expand(-1, 3, -1, -1)
    same = colour[:, :1] if channels == 1 else torch.cat([colour, colour], dim=1)

    assert model.patch_embed.proj.in_channels == channels
    torch.testing.assert_close(
        model.patch_embed.proj(same), source.patch_embed.proj(colour), rtol=1e-4, atol=1e-4
    )


def test_patches_of_another_size_excite_it_as_the_patches_it_knew(large):
    """A patch enlarged to twice the side gives what it gave before."""
    source, path = large
    model = build(size=64, patch=32, weights=path)
    small = torch.randn(4, 3, 16, 16)
    enlarged = torch.nn.functional.interpolate(
        small, size=(32, 32), mode="bicubic", antialias=True, align_corners=False
    )

    torch.testing.assert_close(
        model.patch_embed.proj(enlarged), source.patch_embed.proj(small), rtol=1e-3, atol=1e-3
    )


def test_a_convolutional_network_is_adapted_too(tmp_path):
    source = library.create_model("resnet10t", num_classes=5)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = build("resnet10t", channels=1, weights=str(tmp_path / "w.safetensors"))

    first = "conv1.0.weight"
    torch.testing.assert_close(
        model.state_dict()[first], source.state_dict()[first].sum(1, keepdim=True)
    )
    assert torch.equal(
        model.state_dict()["layer1.0.conv1.weight"], source.state_dict()["layer1.0.conv1.weight"]
    )


@pytest.mark.parametrize(
    "prefix", ["model.", "module.", "backbone.", "net.encoder.", "_orig_mod.module."]
)
def test_a_prefix_that_all_names_share_is_taken_off(tmp_path, prefix):
    """As Lightning, DataParallel, torch.compile and own classes around a network write it."""
    source = library.create_model(TINY, img_size=32, num_classes=10)
    theirs = {f"{prefix}{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": theirs, "epoch": 3}, tmp_path / "w.ckpt")

    model = build(weights=str(tmp_path / "w.ckpt"))

    given = source.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "holds a list and no named tensors"),
        (None, "holds nothing (None) and no named tensors"),
        (torch.zeros(3), "holds a Tensor and no named tensors"),
        ({}, "holds no tensor"),
        ({"state_dict": [1]}, "holds a list under 'state_dict' and no named tensors"),
        ({"model": None, "epoch": 3}, "something other than named tensors: model, epoch"),
        ({"student": {"a": torch.zeros(1)}, "teacher": {}}, "holds no tensor under 'teacher'"),
        ({0: torch.zeros(1)}, "something other than named tensors"),
        ({"cls_token": torch.zeros(2), "lr": 0.1}, "something other than named tensors: lr (float)"),
    ],
    ids=str,
)  # fmt: skip
def test_a_file_with_something_else_in_it_says_what(tmp_path, content, sentence):
    torch.save(content, tmp_path / "w.pth")

    with pytest.raises(DataUnavailable) as refusal:
        build(weights=str(tmp_path / "w.pth"))
    assert sentence in str(refusal.value)
    assert "model.weights" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_is_no_file_of_weights_says_what_it_is(tmp_path):
    pointer, program, folder = (tmp_path / name for name in ("w.safetensors", "w.pt", "d.pth"))
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with zipfile.ZipFile(program, "w") as archive:  # as torch.jit.save lays it out
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"w/{name}", b"")
    folder.mkdir()

    for path, sentence in (
        (pointer, "a pointer of git-lfs"),
        (program, "a TorchScript archive"),
        (folder, "is not a file"),
    ):
        with pytest.raises(DataUnavailable, match=sentence):
            build(weights=str(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_named(tmp_path, suffix, wrong):
    weights = library.create_model(TINY, img_size=32, num_classes=10).state_dict()
    weights["blocks.0.mlp.fc1.bias"][:2] = wrong
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)

    with pytest.raises(
        DataUnavailable, match=r"^2 of \d+ numbers of blocks\.0\.mlp\.fc1\.bias in .* not finite"
    ):
        build(weights=str(path))


def test_a_head_that_gives_way_may_hold_anything(tmp_path):
    weights = library.create_model(TINY, img_size=32, num_classes=7).state_dict()
    weights["head.weight"][:] = float("nan")
    weights["head.bias"][:] = float("nan")
    save_file(weights, tmp_path / "w.safetensors")

    assert not build(weights=str(tmp_path / "w.safetensors")).head.weight.any()


def test_what_does_not_fit_says_how_the_keys_and_the_shapes_look(tmp_path):
    own = library.create_model(TINY, img_size=32, num_classes=10).state_dict()
    wide = own | {"blocks.0.mlp.fc1.weight": torch.zeros(3, 5)}
    less = {name: value for name, value in own.items() if name != "norm.weight"}
    for name, weights, sentence in (
        ("none", {"layers.1.w": torch.zeros(1), "b": torch.zeros(1)},
         "its keys look like b, layers.1.w, and the model has"),
        ("wide", wide, "blocks.0.mlp.fc1.weight is 3×5 in the file and 192×64 in the model"),
        ("less", less, "it lacks norm.weight"),
        ("more", own | {"extra.weight": torch.zeros(1)}, "it has extra.weight and the model has not"),
    ):  # fmt: skip
        torch.save(weights, tmp_path / f"{name}.pth")
        with pytest.raises(DataUnavailable) as refusal:
            build(weights=str(tmp_path / f"{name}.pth"))
        assert f"{name}.pth does not fit {TINY}" in str(refusal.value)
        assert sentence in str(refusal.value), name


@pytest.mark.parametrize(
    ("name", "size", "whole"),
    [("vit_tiny_patch16_224", 28, 32), ("test_convnext", 50, 64)],
)
def test_a_model_that_leaves_rows_and_columns_out_is_refused(name, size, whole):
    """The side that is proposed is one that it sees all of."""
    with pytest.raises(
        ProfileError, match=rf"sees \d+ of {size} rows .* data.image_size to {whole}"
    ):
        build(name, size=size)
    build(name, size=whole)


def test_a_patch_that_divides_the_side_lets_it_see_all():
    with pytest.raises(ProfileError, match=r"or model\.patch to 14 or 7 or 4"):
        build("vit_tiny_patch16_224", size=28)
    build("vit_tiny_patch16_224", size=28, patch=14)


def test_looking_at_what_a_model_sees_changes_nothing_that_is_drawn(monkeypatch):
    torch.manual_seed(3)
    looked, after = build(size=32).state_dict(), torch.rand(3)
    monkeypatch.setattr(timm, "_refuse_blind", lambda *_args, **_kwargs: None)
    torch.manual_seed(3)
    plain, again = build(size=32).state_dict(), torch.rand(3)

    assert torch.equal(after, again)
    assert all(torch.equal(value, plain[name]) for name, value in looked.items())
