"""Images that are not square: read, augmented, trained on, foreseen and exported at their own height and width."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.layers import PatchEmbed
from torch import nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as reference

from revconsole.data import batches, open_data
from revconsole.data._augment import _rectangle, cropped_and_mirrored, erased, mixed
from revconsole.data._per_image import rotated
from revconsole.records.foresight import cache
from revconsole.records.logs.events import Advised, Started
from revconsole.records.prelaunch import shape
from revconsole.records.sections import Data
from revconsole.records.settings.plan import Plan
from revconsole.reversible.audit.sight import left_out, seen
from revconsole.training.foresee.shapes import batch_of
from revconsole.training.questions import attention_picture, inspection
from revconsole.training.setup.build import build_model

VIT = {"architecture": "vit", "patch": 4, "dim": 12, "depth": 2}
ONE_LEVEL = 1.01  # of 255: torchvision interpolates in another order


@pytest.fixture
def bars(tmp_path):
    """Pictures of 20×40 pixels, black on the left for one class and on the right for the other."""
    for name, dark in (("left", slice(0, 20)), ("right", slice(20, 40))):
        (tmp_path / "bars" / name).mkdir(parents=True)
        for index in range(20):
            pixels = np.full((20, 40, 3), 100 + index, dtype=np.uint8)
            pixels[:, dark] = 0
            Image.fromarray(pixels).save(tmp_path / "bars" / name / f"{index}.png")
    return {"dataset": "imagefolder", "folder": str(tmp_path / "bars"), "image_size": 8, "image_width": 16}  # fmt: skip


def plan_of(data, model=None, **more):
    table = {"name": "o", "data": data, "model": model or VIT}
    return Plan.model_validate(table | more)


def test_they_are_read_at_their_height_and_width(bars, tmp_path):
    data = open_data(Data(**bars), folder=tmp_path / "data", device="cpu")
    assert data.train.images.shape[1:] == (3, 8, 16)
    assert "8×16 pixels" in data.read
    assert "cut away" not in data.read  # 20×40 has that shape already
    left = data.train.images[data.train.labels == 0]
    assert left[..., :7].max() < 20 < 80 < left[..., 9:].min()


def test_every_augmentation_is_what_torchvision_does_to_one_image_at_a_time():
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 3, 9, 14), generator=draws).to(torch.uint8)
    made = rotated(images.float(), torch.full((6,), 20.0))
    expected = reference.rotate(images.float(), 20.0, interpolation=v2.InterpolationMode.BILINEAR)
    assert (made - expected).abs().max() < ONE_LEVEL

    crop = Data(augment="crop", crop_padding=2)
    moved = cropped_and_mirrored(images, crop, generator=torch.Generator().manual_seed(5))
    places = torch.randint(0, 5, (2, 6), generator=torch.Generator().manual_seed(5))
    for image, one, top, left in zip(moved, images, *places.tolist(), strict=True):
        assert torch.equal(image, reference.pad(one, [2] * 4)[:, top : top + 9, left : left + 14])

    whole = torch.ones(200, 1, 9, 14)
    shares = 1 - erased(whole, Data(erasing=1.0), seed=3).mean((1, 2, 3))
    assert 0.02 * 0.5 < shares[shares > 0].min() < shares.max() < 0.33 * 1.3
    rows, columns = _rectangle(9, 14, torch.Generator().manual_seed(1))
    assert rows.stop <= 9
    assert columns.stop <= 14

    labels = torch.arange(6)
    pasted, shared = mixed(images.float(), labels, Data(cutmix=1.0), classes=6, seed=11)
    own = (pasted == images.float()).all(1).float().mean((1, 2))
    assert torch.allclose(own, shared[labels, labels], atol=1e-6)


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        (VIT, (2, 4)),
        (VIT | {"stem": "shifted", "position": "sinusoidal"}, (2, 4)),
        (VIT | {"stem": "conv", "pool": "sequence"}, (2, 4)),
        ({"architecture": "resnet", "stem": "cifar"}, None),
        ({"architecture": "cnn"}, None),
        ({"architecture": "mlp", "depth": 1}, None),
    ],
)
def test_a_network_sees_all_of_them_and_its_patches_follow(bars, model, kept):
    plan = plan_of(bars, model)
    built = build_model(plan).eval()
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(16, 3, 8, 16, generator=draws).requires_grad_()
    logits = built(images)
    assert logits.shape == (16, 2)
    logits.sum().backward()
    if model.get("architecture") == "resnet":
        return  # its branches begin at zero, and what is left of it steps over pixels
    touched = images.grad.abs().sum((0, 1)).gt(0)
    assert touched.any(0).all()
    assert touched.any(1).all()
    assert batch_of(plan, 5)[0].shape == (5, 3, 8, 16)
    if kept:
        assert tuple(built.patch_embed.grid_size) == kept
        expected = PatchEmbed(img_size=(8, 16), patch_size=4).num_patches
        assert built.patch_embed.num_patches == shape.of(plan).tokens == expected


def test_a_run_trains_on_them_to_the_end(bars, runner):
    plan = plan_of(bars, train={"epochs": 2, "batch": 8, "audit": True}, scheme={"name": "bdia", "grid_bits": 9}, backward="reversible")  # fmt: skip
    log = runner(plan)
    assert log.ending.step == 8
    assert not [each.text for each in log.of(Advised) if "check failed" in each.text]
    assert "8×16 pixels" in str(log.of(Started)[0].facts["what_was_read"])
    square = plan_of(bars | {"image_width": 8})
    assert cache.sides(plan) == (8, 16)
    assert cache.sides(square) == (8,)


def test_a_shipped_dataset_is_brought_to_the_shape_too(tmp_path):
    data = {"dataset": "digits", "image_size": 8, "image_width": 16, "train_limit": 40}
    plan = plan_of(data)
    opened = open_data(plan.data, folder=tmp_path, device="cpu")
    _, images, _ = next(batches(opened.train, batch=4, seed=0, epoch=0, size=plan.image_shape))
    assert images.shape == (4, 1, 8, 16)


@pytest.mark.parametrize(
    ("data", "more", "sentence"),
    [
        ({"image_size": None, "image_width": 16}, {}, "add data.image_size, the height"),
        ({"crop": 4}, {}, "cuts squares"),
        ({"random_resized_crop": 0.5}, {}, "cuts squares"),
        ({"image_width": 18}, {}, "patch 4 does not divide the image side of 18"),
        ({}, {"model": {"architecture": "swin"}}, "swin sees square images only; leave it out, or use vit"),
        ({}, {"objective": {"name": "mae"}}, "objective 'mae' sees square images only"),
        ({}, {"model": VIT | {"pretrained": "run:abc"}}, "resampled to squares only"),
    ],
)  # fmt: skip
def test_what_only_sees_squares_is_refused(bars, data, more, sentence):
    table = {"name": "o", "data": {"dataset": "digits", "image_size": 8, "image_width": 16} | data, "model": VIT}  # fmt: skip
    with pytest.raises(ValueError, match=sentence):
        Plan.model_validate(table | more)


def test_what_a_network_misses_of_them_is_counted_each_way():
    plan = plan_of({"dataset": "digits", "image_size": 8, "image_width": 16})
    whole = seen(build_model(plan), 1, 8, width=16)
    assert whole.shape == (1, 8, 16)
    assert left_out(whole) == ""
    whole[:, :, 12:] = False
    assert left_out(whole).startswith("8 of 8 rows and 12 of 16 columns of an image")


def rolled_by_hand(model, images):
    """Attention rollout of the class token (Abnar and Zuidema 2020), written out block by block in float64."""
    model, tokens = model.double(), None
    with torch.no_grad():
        patches = model.patch_embed(images.double())
        token = model.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([token, patches], dim=1) + model.pos_embed
        share = torch.eye(tokens.shape[1], dtype=torch.float64).expand(len(images), -1, -1)
        for block in model.blocks:
            normed = block.norm1(tokens)
            query, key, _ = (normed @ block.attn.qkv.weight.T + block.attn.qkv.bias).chunk(3, -1)
            heads, each = block.attn.num_heads, query.shape[-1] // block.attn.num_heads
            weights = sum(
                (query[..., part] @ key[..., part].mT / each**0.5).softmax(-1)
                for part in (slice(n * each, (n + 1) * each) for n in range(heads))
            ) / heads  # fmt: skip
            share = (weights + torch.eye(tokens.shape[1])) / 2 @ share
            tokens = block(tokens)
    looked = share[:, 0, 1:]
    return looked / looked.sum(-1, keepdim=True)


def test_the_attention_of_each_patch_is_drawn_where_the_patch_lies(bars):
    model = build_model(plan_of(bars)).eval()
    images = torch.randn(3, 3, 8, 16, generator=torch.Generator().manual_seed(0))

    rolled = inspection.attended(model, images)

    assert rolled.shares.shape == (3, 2, 4)
    by_hand = rolled_by_hand(model, images)
    for row in range(2):
        for column in range(4):
            expected = by_hand[:, 4 * row + column].float()
            assert torch.allclose(rolled.shares[:, row, column], expected, atol=1e-6)
    found = inspection.positions(model.float())
    assert (found.grid, len(found.table)) == ((2, 4), 8)


def test_the_picture_is_as_wide_as_the_images_and_bright_where_it_looks(tmp_path, monkeypatch):
    shares = torch.full((1, 2, 4), 0.01)
    shares[0, 1, 3] = 1.0  # the patch at the lower right
    rolled = inspection.Rolled(shares=shares, logits=torch.zeros(1, 2), of_class=True, blocks=1)
    monkeypatch.setattr(attention_picture, "attended", lambda *_: rolled)
    white = torch.tensor([0.0, 1.0]).repeat_interleave(64).reshape(1, 1, 8, 16)  # below

    attention_picture.paint(nn.Identity(), white, tmp_path / "a.png")

    pixels = np.asarray(Image.open(tmp_path / "a.png"))[..., 0]
    height, width = 96 + 4, 192 + 4
    assert pixels.shape == (2 * height, width)
    below = pixels[height + 2 : -2, 2:-2]
    assert below[-1, -1] == 255
    assert below[-1, 0] == round(255 * 0.15)
