"""Before launch: every rule speaks where it is true, is silent a little beside that, and never of a shipped recipe."""

import re
from dataclasses import replace

import pytest

from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.prelaunch import advise, planned_run, together
from revconsole.records.prelaunch.rules import RULES
from revconsole.records.settings import search_path
from revconsole.records.settings import study as studies
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import changed, parse_assignments

USUAL = {
    "name": "usual",
    "model": {"architecture": "vit", "patch": 4, "dim": 192, "depth": 6, "heads": 3},
    "data": {"dataset": "cifar10", "augment": "crop-flip"},
    "train": {"epochs": 100, "batch": 128, "device": "cpu"},
    "optimizer": {"name": "adamw", "learning_rate": 0.001},
    "schedule": {"name": "cosine", "warmup_epochs": 5},
}
"""A small ViT for CIFAR-10 with the usual recipe, of which there is nothing to say."""
CNN = {"architecture": "cnn", "batch_norm": True}
SGD = {"name": "sgd", "learning_rate": 0.1}
TIMM = {"architecture": "timm", "name": "vit_base_patch16_224", "pretrained": True}
FLAT = {"name": "constant"}
FINE = {"name": "adamw", "learning_rate": 5e-5}


def planned(**changes):
    """The usual run with sections changed; a section that names another kind is taken as it is."""
    table = {**USUAL}
    for key, value in changes.items():
        merged = isinstance(value, dict) and not {"architecture", "name"} & value.keys()
        table[key] = {**USUAL[key], **value} if merged and key in USUAL else value
    return planned_run(Plan.model_validate(table))


def said(rule, **changes):
    return next((a.text for a in advise(planned(**changes)) if a.rule == rule), "")


def test_of_a_usual_run_there_is_nothing_to_say():
    assert advise(planned()) == ()


CASES = [
    # rule, what triggers it, what the sentence says, a near miss
    ("hardly any steps", {"train": {"steps": 4}, "schedule": FLAT}, "makes 4 steps in all", {"train": {"steps": 5}, "schedule": FLAT}),
    (
        "oversized batch",
        {"data": {"dataset": "digits", "train_limit": 100}},
        "the batch of 128 is larger than the training set of 90 images",
        {"data": {"dataset": "digits", "train_limit": 143}},
    ),
    (
        "unusual rate",
        {"optimizer": {"learning_rate": 0.01}},
        "the learning rate 0.01 is 3.3 times the most that is usual for adamw and a transformer from scratch at batch 128",
        {"optimizer": {"learning_rate": 0.005}},
    ),
    (
        "unusual rate",
        {"optimizer": {"learning_rate": 1e-6}},
        "is 50 times below the least that is usual",
        {"optimizer": {"learning_rate": 3e-5}},
    ),
    (
        "unusual rate",
        {"model": TIMM, "data": {"image_size": 224}, "optimizer": {"learning_rate": 1e-3}},
        "for adamw and fine-tuning a transformer at batch 128",
        {"model": TIMM, "data": {"image_size": 224}, "optimizer": {"learning_rate": 3e-4}},
    ),
    (
        "unusual rate",
        {"model": CNN, "optimizer": SGD | {"learning_rate": 100}},
        "for SGD with momentum 0.9 and convolutions",
        {"model": CNN, "optimizer": SGD},
    ),
    (
        "unusual rate",
        {"optimizer": SGD | {"learning_rate": 100}},
        "500 times the most that is usual for SGD with momentum 0.9 and a transformer from scratch",
        {"optimizer": SGD | {"momentum": 0.0, "learning_rate": 2.0}},
    ),
    (
        "unusual rate",
        {"model": {"architecture": "mlp"}, "optimizer": SGD | {"learning_rate": 10}},
        "50 times the most that is usual for SGD with momentum 0.9 and a multilayer perceptron",
        {"model": {"architecture": "mlp"}, "optimizer": SGD | {"learning_rate": 3.0}, "train": {"batch": 4096}},
    ),
    (
        "unusual rate",
        {"optimizer": {"name": "timm", "algorithm": "lion", "learning_rate": 5e-3}},
        "for lion and a transformer from scratch",
        {"optimizer": {"name": "timm", "algorithm": "lamb", "learning_rate": 5e-3}},
    ),
    (
        "no warm-up",
        {"model": {"depth": 8}, "schedule": {"warmup_epochs": 0}},
        ("adamw starts at 0.001 over 8 blocks of random weights; usual are 2 to 10 % of the epochs (DeiT 5 of 300, SPT/LSA 10 "
        "of 100): schedule.warmup_epochs=5"),
        {"schedule": {"warmup_epochs": 0}},
    ),
    (
        "no warm-up",
        {
            "model": {"depth": 12}, "schedule": FLAT, "train": {"steps": 10_000},
            "optimizer": {"name": "timm", "algorithm": "lamb"},
        },
        "lamb starts at 0.001 over 12 blocks of random weights; usual are 2 to 10 % of the epochs (DeiT 5 of 300, SPT/LSA 10 of 100): schedule.warmup_steps=500",
        {"model": {"depth": 12}, "schedule": {"name": "one-cycle"}},
    ),
    (
        "tokens",
        {"model": {"patch": 32}},
        ("the whole image is one token, so attention has nothing to attend to; usual are 49 to 784 (ViT at 224 pixels: patches "
        "of 32, 16, 8): model.patch=8 makes 16"),
        {"model": {"patch": 16}},
    ),
    (
        "tokens",
        {"model": {"patch": 2}, "data": {"image_size": 96}},
        "2,304 tokens, of which attention forms 5.3 million pairs a head and image",
        {"model": {"patch": 2, "attention": "linear"}, "data": {"image_size": 96}},
    ),
    ("tokens", {"model": {"patch": 2}, "data": {"image_size": 66}}, "1,089 tokens", {"model": {"patch": 1}}),
    (
        "magnified",
        {"model": {"patch": 8}, "data": {"image_size": 224}},
        "a patch of 8 pixels shows 1.1 of theirs and there are 784 patches",
        {"model": {"patch": 14}, "data": {"image_size": 224}},
    ),
    (
        "mirrored",
        {"data": {"dataset": "mnist"}},
        "an image of mnist mirrored left to right may be another class; use data.augment=crop",
        {"data": {"dataset": "mnist", "augment": "crop"}},
    ),
    (
        "norm over few images",
        {"model": CNN, "optimizer": SGD, "train": {"batch": 8}},
        ("BatchNorm takes its statistics from 8 images at a time, so evaluation may be far from training; usual are 16 or more "
        "(Wu and He 2018): train.batch=32"),
        {"model": CNN, "optimizer": SGD, "train": {"batch": 9}},
    ),
    (
        "norm over micro-batches",
        {"model": CNN, "optimizer": SGD, "train": {"accumulate": 4}},
        "over each micro-batch of 32, not over the batch of 128: with train.accumulate=4 this network trains otherwise",
        {"train": {"accumulate": 4}},
    ),
    (
        "norm over micro-batches",
        {"model": CNN, "optimizer": SGD, "train": {"accumulate": 16}},
        "otherwise than without; usual are 16 images or more at a time (Wu and He 2018)",
        {"model": {**CNN, "batch_norm": False}, "optimizer": SGD, "train": {"accumulate": 16}},
    ),
    (
        "transformer on few images",
        {"data": {"train_limit": 4000}},
        "about 2.7 million parameters from random weights on 3,600 images, 737 an image; usual are below 500",
        {"data": {"train_limit": 6000}},
    ),
    (
        "positions interpolated",
        {"model": TIMM, "optimizer": FINE},
        "is interpolated from 14 × 14 to 2 × 2 patches, for images of 32 in place of 224 pixels",
        {"model": TIMM, "optimizer": FINE, "data": {"image_size": 384}},
    ),
    (
        "wasted pixels",
        {"model": TIMM, "optimizer": FINE, "data": {"image_size": 250}},
        ("patches of 16 do not divide images of 250 pixels: a border of 10 pixels is not seen (8% of the image); "
        "data.image_size=240"),
        {"model": TIMM, "optimizer": FINE, "data": {"image_size": 240}},
    ),
    (
        "wasted pixels",
        {"model": {"architecture": "resnet"}, "optimizer": SGD},
        "images of 32 pixels become a map of 1 × 1; usual for 32 pixels is a 3×3 stem: model.stem=cifar",
        {"model": {"architecture": "resnet"}, "optimizer": SGD, "data": {"image_size": 64}},
    ),
    (
        "saves nothing",
        {"model": {"depth": 1}, "backward": "checkpointed"},
        "backward=checkpointed saves next to nothing over 1 block",
        {"model": {"depth": 2}, "backward": "checkpointed"},
    ),
    (
        "few steps",
        {"train": {"steps": 100}, "schedule": FLAT},
        "this run makes 100 steps in all from random weights",
        {"train": {"steps": 250}, "schedule": FLAT},
    ),
    (
        "few steps",
        {"data": {"dataset": "digits", "augment": "none"}, "model": {"patch": 2, "dim": 48}, "train": {"epochs": 10}},
        ("makes 110 steps in all from random weights; usual are 500 for digits (`demo`) and ten thousands for CIFAR: "
        "train.epochs=46"),
        {"data": {"dataset": "digits"}, "model": {"patch": 2, "dim": 48}, "train": {"epochs": 23}},
    ),
    (
        "last batch of few",
        {"data": {"train_limit": 9963}},
        "each epoch ends with a batch of 7 images, which moves the weights as far as one of 128; usual are equal batches",
        {"data": {"train_limit": 9964}},
    ),
    (
        "narrow heads",
        {"model": {"heads": 24}},
        "each of the 24 heads has 8 numbers; usual are 16 to 64 (SPT/LSA 16, Swin 32, ViT 64): model.heads=12 or model.dim=384",
        {"model": {"heads": 12}},
    ),
    (
        "frozen at random",
        {"train": {"freeze": "backbone"}},
        "leaves all but the head at its random weights, so the head judges random features",
        {"train": {"freeze": "patch_embed.*"}},
    ),
    (
        "frozen at random",
        {"model": CNN, "optimizer": SGD, "train": {"freeze": "backbone"}},
        "train.freeze=none",
        {"model": TIMM, "train": {"freeze": "backbone"}},
    ),
    (
        "unlike published",
        {"profile": "vit-cifar10"},
        "differs from vit-cifar10, which is held against a published figure (Zhang et al. 2025 (arXiv 2407.09093)), in model.dim 192 (there 512)",
        {"profile": "demo"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "odd", "part", "fine"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
def test_a_rule_speaks_where_it_is_true_and_not_a_little_beside_that(rule, odd, part, fine):
    assert part in said(rule, **odd)
    assert said(rule, **fine) == ""


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (
            {"train.batch": 32, "train.accumulate": 1},
            (
                "the batch is 32, not 512 as in vitb16-cifar100, at the same learning rate 0.03; 10,000 steps then see 0.0625 times "
                "the images; usual with SGD is a rate in proportion (Goyal et al. 2017): optimizer.learning_rate=0.00187, or "
                "train.batch=512 train.accumulate=16"
            ),
        ),
        ({"train.batch": 320, "train.accumulate": 10}, ""),
        ({"train.batch": 32, "train.accumulate": 1, "optimizer.learning_rate": 0.0019}, ""),
    ],
)
def test_a_batch_that_was_changed_without_the_rate_is_said(settings, part):
    (plan,) = search_path.find("vitb16-cifar100").plans(settings)
    texts = {a.rule: a.text for a in advise(planned_run(plan))}
    found = texts.get("batch without rate", "")
    assert (part in found) if part else not found


def test_adam_takes_the_root_of_the_ratio():
    (plan,) = search_path.find("vit-cifar10").plans({"train.batch": 512})
    texts = {a.rule: a.text for a in advise(planned_run(plan))}
    assert "optimizer.learning_rate=0.0002" in texts["batch without rate"]
    assert "train.batch 512 (there 128)" in texts["unlike published"]


def test_a_batch_under_a_norm_is_not_made_of_parts():
    (plan,) = search_path.find("resnet18-cifar10").plans({"train.batch": 16})
    (said_of_batch,) = [a.text for a in advise(planned_run(plan)) if a.rule == "batch without rate"]
    assert said_of_batch.endswith("optimizer.learning_rate=0.0125")


def test_another_run_on_the_device_is_said():
    run = replace(planned(), beside=("revvit", "bdia", "momentum"))
    (advised,) = advise(run)
    assert advised.text.startswith("revvit, bdia and 1 more train on the same device (cpu)")
    assert advised.level == "note"


def step(kept):
    moment = Moment(
        operator="", fixed=MemoryParts(parameters=1e6), per_image=MemoryParts(kept=kept)
    )
    return StepMemory(once=(moment,), accumulated=(moment,))


def test_what_was_foreseen_is_believed_before_the_number_of_blocks():
    known = Foresight(device="cpu", steps={"stored": step(1e4), "checkpointed": step(9.9e3)})
    saving = Foresight(device="cpu", steps={"stored": step(1e4), "checkpointed": step(1e3)})
    deep = planned(backward="checkpointed")
    shallow = planned(backward="checkpointed", model={"depth": 1})

    (advised,) = advise(replace(deep, foresight=known))
    assert (
        "needs 2.2 MiB at 128 images and stored 2.2 MiB: it saves next to nothing here"
        in advised.text
    )
    assert advise(replace(shallow, foresight=saving)) == ()


EXPECTED = {
    "narrow heads": {
        # 32 numbers in 4 heads, as in the homework report; and on digits, for the comparison of regularisers
        "vit-mnist", "mnist-blocks", "mnist-embed-dim", "mnist-patch", "bdia-dropout", "bdia-table1",
    },
    # the whole image as one token is the end of that sweep; 3,136 tokens are what the course report had
    "tokens": {"mnist-patch", "random-vits", "vit-b-cifar100", "vit-d-cifar100"},
    # images of 32 pixels at 224, as in the course report
    "magnified": {"random-vits", "vit-a-cifar100", "vit-b-cifar100", "vit-c-cifar100", "vit-d-cifar100"},
    # 86 million parameters for MNIST: what the homework report did, and the profile says so; and where memory is asked alone
    "transformer on few images": {"vit-base-mnist-scratch", "revvit-memory"},
    # a learning curve begins with 1,000 pairs; and memory is asked alone
    "few steps": {"context-patches", "revvit-memory"},
    "last batch of few": {"context-patches"},
    # its short form has images of 16 pixels
    "wasted pixels": {"random-vits"},
}  # fmt: skip
"""What is said of shipped profiles and studies, each for a reason."""


def shipped():
    for path in sorted(search_path.shipped().glob("**/*.toml")):
        study = studies.load(path)
        if study.search is not None:  # what it draws may be odd: that is what it finds out
            continue
        for quick in (False, True) if study.has_quick else (False,):
            for arm in study.expanded(quick=quick):
                yield path.stem, arm.plans[0]


def test_of_shipped_profiles_nothing_is_said_but_what_is_listed():
    found: dict[str, set[str]] = {}
    for name, plan in shipped():
        for advised in advise(planned_run(plan)):
            found.setdefault(advised.rule, set()).add(name)
    assert found == EXPECTED


def test_every_rule_has_a_case():
    tried = {case[0] for case in CASES} | {"batch without rate", "same device"}
    assert {rule.name for rule in RULES} == tried


SETTING = re.compile(r"(?<![\w.])((?:[a-z]+\.[a-z_]+|backward)=[\w.-]+(?: model\.stem=\w+)?)")


@pytest.mark.parametrize(
    ("rule", "odd"),
    [case[:2] for case in CASES if case[0] not in {"hardly any steps", "unlike published"}],
    ids=str,
)
def test_a_setting_that_is_suggested_can_be_set_and_ends_what_was_odd(rule, odd):
    run, text = planned(**odd), said(rule, **odd)
    suggested = SETTING.findall(re.split(r"[;:] ", text)[-1])
    mended = [changed(run.plan, parse_assignments(words.split())) for words in suggested]

    assert mended
    assert all(rule not in {a.rule for a in advise(planned_run(plan))} for plan in mended)


def test_of_several_runs_each_thing_is_said_once():
    odd, fine = planned(model={"patch": 32}), planned()
    (alone,) = together([odd, odd])
    (some,) = together([fine, odd, odd])
    assert alone.text.startswith("the whole image is one token")
    assert some.text.startswith("2 of 3 runs, first usual: the whole image is one token")
