"""The drawing of a network, beside the network itself: patches, stages, heads, tokens."""

import pytest

from revconsole.console.model_drawing import drawing, stages, tokens_across
from revconsole.lab.lab import Lab


@pytest.fixture
def drawn(tmp_path):
    """The text of a plan's drawing."""
    lab = Lab(tmp_path / "runs")

    def draw(profile, **settings):
        plan = lab.plan(profile, {"scheme.name": "residual", **settings}).plans[0]
        return plan, "\n".join(line.plain for line in drawing(plan))

    return draw


@pytest.mark.parametrize(
    ("profile", "settings", "shown"),
    [
        ("demo", {"model.patch": 2}, ["16 patches of 2 × 2", "▮▮▮▮ 4, residual", "10 classes"]),
        ("demo", {"model.pool": "cls"}, ["of 64 numbers and a class token"]),
        ("cct-cifar10", {}, ["tokens  by 1 convolution of an image of 32 × 32", "256 tokens"]),
        ("swin-mini-cifar100", {}, ["stage 2  ▮▮▮▮▮▮ 6", "8 × 8   of 192, 6 heads", "100 classes"]),
        ("resnet18-cifar10", {}, ["resnet, 18 layers", "stage 4  ▮▮ 2", "of 512"]),
        ("cnn-cifar10", {}, ["stage 3  ▮ 1", "of 64", "1,000 numbers"]),
        ("mlp-mnist", {}, ["mlp  784 numbers", "hidden"]),
        ("circles-svm", {}, ["support vector machine  2 numbers", "1 pair of classes"]),
    ],
)
def test_the_drawing_is_that_of_the_architecture(drawn, profile, settings, shown):
    _, text = drawn(profile, **settings)
    assert all(part in text for part in shown), text
    assert max(map(len, text.splitlines())) <= 64


def test_a_uniformer_has_its_heads_in_the_wider_stage(drawn):
    plan, text = drawn("demo", **{"model.architecture": "uniformer", "data.image_size": 32})
    local, whole = stages(plan)
    assert (local.heads, whole.heads, whole.width) == (0, plan.model.heads, 2 * plan.model.dim)
    assert f"{whole.heads} heads" in text


@pytest.mark.parametrize("variant", ["mini", "tiny", "small"])
def test_the_stages_of_a_swin_are_those_of_the_network(drawn, variant):
    import torch

    from revconsole.models import swin

    plan, _ = drawn("swin-mini-cifar100", **{"model.variant": variant, "data.image_size": 64})
    with torch.device("meta"):
        network = swin.build(plan.model, size=plan.image_size, channels=3, classes=10)
    found = [
        (len(layer.blocks), layer.blocks[0].attn.num_heads, layer.blocks[0].dim)
        for layer in network.layers
    ]
    assert found == [(each.blocks, each.heads, each.width) for each in stages(plan)]
    assert [layer.blocks[0].input_resolution[0] for layer in network.layers] == [
        each.side for each in stages(plan)
    ]


@pytest.mark.parametrize(("layers", "stem"), [(18, "cifar"), (34, "imagenet"), (50, "imagenet")])
def test_the_stages_of_a_resnet_are_those_of_the_network(drawn, layers, stem):
    import torch

    from revconsole.models import resnet

    plan, _ = drawn("resnet18-cifar10", **{"model.layers": layers, "model.stem": stem})
    with torch.device("meta"):
        network = resnet.build(plan.model, size=plan.image_size, channels=3, classes=10).eval()
        x = network.maxpool(network.conv1(torch.empty(1, 3, plan.image_size, plan.image_size)))
        for stage, layer in zip(
            stages(plan),
            (network.layer1, network.layer2, network.layer3, network.layer4),
            strict=True,
        ):
            x = layer(x)
            assert (len(layer), x.shape[1], x.shape[2]) == (stage.blocks, stage.width, stage.side)


@pytest.mark.parametrize(("convolutions", "kernel"), [(1, 3), (2, 3), (1, 7), (2, 5)])
def test_the_tokens_of_a_cct_are_those_of_its_stem(drawn, convolutions, kernel):
    from revconsole.models._stems import side_of_tokens

    settings = {"model.convolutions": convolutions, "model.kernel": kernel}
    plan, _ = drawn("cct-cifar10", **settings)
    assert tokens_across(plan) == side_of_tokens(32, convolutions=convolutions, kernel=kernel)
