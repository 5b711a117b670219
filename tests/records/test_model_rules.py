"""What settings of an architecture ask of one another: one sentence that names the key."""

import re

import pytest

from revconsole.errors import ProfileError
from revconsole.records.settings.profile import Profile, parse_assignments


def plans(*arguments):
    profile = Profile(name="p", where="p.toml", table={})  # digits, 8×8 pixels
    return profile.overridden(parse_assignments(list(arguments))).plans()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.stem=conv", "model.patch=1"], "model.patch: stem 'conv' halves the side step by step"),
        (["model.stem=shifted", "model.patch=1"], "model.patch: stem 'shifted' moves by half a patch"),
        (
            ["model.attention=local", "model.patch=8", "model.pool=mean"],
            "model.attention: 'local' lets no token see itself, and there is only one",
        ),
        (
            ["model.token_merging=2", "scheme.name=bdia"],
            "scheme.name: merged tokens cannot be told apart again; use scheme 'residual'",
        ),
        (["model.token_merging=2", "backward=checkpointed"], "backward: merged tokens cannot be told apart"),
        (["model.token_merging=2", "model.attention=linear"], "with attention 'softmax' only"),
        (["model.token_merging=2", "model.pool=mean"], "use pool 'cls'"),
        (["model.landmarks=4"], "only attention 'softmax_free' has landmarks, not 'softmax'"),
        (["model.attention=softmax_free", "model.landmarks=9"], "9 landmarks are more than the 5 tokens"),
        (["model.architecture=cct", "model.kernel=2"], "model.kernel: a kernel has an odd side, not 2"),
        (["model.architecture=cct", "model.heads=3"], "model.heads: 3 heads do not divide dim 128"),
        (
            ["model.architecture=cct", "model.position=sinusoidal", "model.dim=6"],
            "model.dim: sinusoidal positions need dim to be a multiple of 4",
        ),
        (["model.architecture=conformer", "model.patch=3"], "patch 3 does not divide the image side"),
        (
            ["model.architecture=conformer", "data.image_size=9", "model.patch=3"],
            "model.patch: conformer needs an even patch",
        ),
        (["model.architecture=conformer", "model.channels=6"], "channels is a multiple of 4"),
        (
            ["model.architecture=conformer", "scheme.name=bdia"],
            "scheme.name: the blocks of conformer pass on two streams already; use scheme 'residual'",
        ),
        (
            ["model.architecture=uniformer", "model.patch=8"],
            "2 × patch 8 does not divide the image side of 8 pixels; these do: 1, 2, 4",
        ),
        (["model.architecture=uniformer", "model.heads=3"], "3 heads do not divide dim 128"),
        (["model.architecture=cnn", "scheme.name=momentum"], "cnn has no residual blocks"),
        (["model.architecture=mlp", "backward=checkpointed"], "mlp has no residual blocks"),
        (["model.architecture=resnet", "model.layers=19"], "19 is not one of 18, 34, 50"),
        (["model.architecture=resnet", "model.patch=4"], "model 'resnet' has no patch; vit"),
        (["model.architecture=resnett"], "there is no model 'resnett'; did you mean 'resnet'"),
        (
            ["model.architecture=resnet", "scheme.name=hamiltonian"],
            "scheme.name: a block of resnet has one branch, and hamiltonian needs two",
        ),
        (
            ["scheme.name=additive", "model.architecture=swin"],
            'what follows the blocks with swin; set scheme.fuse = "mean"',
        ),
        (
            ["scheme.name=additive", "model.pool=sequence"],
            'what follows the blocks with pool \'sequence\'; set scheme.fuse = "mean"',
        ),
        (["model.architecture=python"], "command line: model.function: is not set; write"),
        (["model.architecture=python", "model.function=mine"], "model.function: is 'mine'; write"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_gets_one_sentence(arguments, sentence):
    with pytest.raises(ProfileError) as caught:
        plans(*arguments)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("command line: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["model.token_merging=2"],
        ["model.stem=resnet", "model.patch=4", "scheme.name=additive"],
        ["model.architecture=uniformer", "scheme.name=hamiltonian"],
        ["model.architecture=swin", "scheme.name=bdia"],
        ["model.architecture=swin", "scheme.name=additive", "scheme.fuse=mean"],
        ["model.architecture=resnet", "model.layers=34", "scheme.name=momentum"],
        ["model.architecture=python", "model.function=pkg.mine:net", "scheme.name=bdia"],
        ["model.architecture=cnn", "model.batch_norm=true"],
        ["model.architecture=mlp", "model.gradients=by_hand"],
    ],
)
def test_what_fits_is_a_plan(arguments):
    assert len(plans(*arguments)) == 1


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("scheme.name=bdia", "scheme.name: svm has no residual blocks to wire otherwise"),
        ("data.rotation=5", "data.rotation: svm is fitted to each image once, as it is"),
        ("train.average=0.9", "train.average: svm is not trained in steps"),
        ("train.freeze=backbone", "train.freeze: svm is not trained in steps"),
        ("train.device=cuda", "train.device: svm is fitted on the CPU, not on cuda"),
        ("model.gamma=auto", "model.gamma: should be \"scale\" or a number above 0, not 'auto'"),
        ("model.gamma=-1", 'model.gamma: should be "scale" or a number above 0, not -1'),
    ],
)
def test_a_machine_that_is_fitted_refuses_what_means_nothing_to_it(setting, sentence):
    with pytest.raises(ProfileError, match=re.escape(sentence)):
        plans("model.architecture=svm", setting)


def test_a_machine_that_is_fitted_passes_over_how_networks_are_trained():
    (plan,) = plans("model.architecture=svm", "model.gamma=2", "train.epochs=7")

    assert plan.epochs == 1
    assert plan.model.gamma == 2
