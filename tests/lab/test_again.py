"""A run once more: exactly its settings, with changes, and what one would type for it."""

from pathlib import Path

import pytest

from revconsole.errors import ProfileError
from revconsole.lab.lab import Lab
from revconsole.records.runs.starts import run_address
from revconsole.records.settings import search_path
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.typing_again import differences, typed

GRID = """
seeds = [0, 1]
[model]
patch = 2
depth = 2
[data]
train_limit = 64
[vary]
scheme = [{ name = "residual" }, { name = "bdia", gamma = 0.25, grid_bits = 9 }]
"optimizer.learning_rate" = [0.01, 0.02]
"""


@pytest.fixture
def lab(store):
    Path("profiles").mkdir()
    Path("profiles/grid.toml").write_text(GRID)
    return Lab(store.root)


def test_every_run_of_every_shipped_profile_can_be_repeated_and_typed(lab):
    for entry in search_path.profiles():
        for plan in search_path.find(entry.name).plans()[:3]:
            if run_address(plan.model) is not None:
                continue  # there is no such run here
            again = lab.again(plan)
            assert [each.digest() for each in again.plans] == [plan.digest()]
            settings = typed(plan.profile, again.plans, {})
            assert settings is not None
            (made,) = lab.plan(plan.profile, settings).plans
            assert made.digest() == plan.digest()
            assert differences(plan) == {}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["model.depth=6"],
        ["seeds=[7,8]"],
        ["scheme.gamma=[0.5,1]"],
        ["scheme.name=momentum"],
        ["train.device=cpu"],
        ["scheme.name=residual", "backward=stored"],
        ["optimizer.name=sgd", "optimizer.momentum=0.5"],
    ],
)
def test_changes_are_made_to_the_run_and_to_nothing_else(lab, words):
    plan = lab.plan("grid").plans[-1]
    settings = parse_assignments(words)
    plans = lab.again(plan, settings).plans
    changed = {word.partition(".")[0] for word in words}
    for each in plans:
        for key in {"train", "data", "schedule", "objective"} - changed:
            assert getattr(each, key) == getattr(plan, key)
        assert each.profile == "grid"
    line = typed("grid", plans, settings)
    assert line is not None
    found = lab.plan("grid", line).plans
    assert [(p.digest(), p.where) for p in found] == [(p.digest(), p.where) for p in plans]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("[train]\nepochs = 3", ["train.steps=20"]),
        ("[data]\naugment = 'crop'\ncrop_padding = 2", ["data.augment=none"]),
        ("[data]\nstandardise = 'zca'\nzca_eps = 0.2", ["data.standardise=none"]),
        ("backward = 'reversible'\nscheme = 'bdia'\n[train]\nprobe_epochs = 2", ["backward=stored"]),
        ("[schedule]\nwarmup_epochs = 2", ["schedule.warmup_steps=3"]),
        ("[schedule]\nname = 'step'\nevery_epochs = 4", ["train.epochs=3"]),
        ("[model]\nmlp_ratio = 2", ["model.mlp_width=16"]),
        ("[model]\ndrop_path = 0.2\ndepth = 2", ["model.depth=1"]),
    ],
)  # fmt: skip
def test_what_a_word_took_the_effect_of_tells_no_run_from_another(lab, file, words):
    Path("profiles/mine.toml").write_text(file)
    (plan,) = lab.plan("mine", parse_assignments(words)).plans
    (again,) = lab.again(plan).plans
    assert again.digest() == plan.digest()


def test_a_length_in_epochs_is_of_no_run_that_counts_steps(lab):
    Path("profiles/mine.toml").write_text("[train]\nepochs = 3")
    Path("profiles/other.toml").write_text("[train]\nepochs = 4")
    one, other = (
        lab.plan(name, parse_assignments(["train.steps=20"])).plans[0] for name in ("mine", "other")
    )
    assert one.digest() == other.digest()


def test_a_run_is_told_from_what_its_profile_says_now(lab):
    plan = lab.plan("grid", {"model.depth": 4, "optimizer.learning_rate": 0.5}).plans[-1]
    assert differences(plan) == {"model.depth": (4, 2), "optimizer.learning_rate": (0.5, 0.01)}
    Path("profiles/grid.toml").write_text(GRID.replace("depth = 2", "depth = 4"))
    assert list(differences(plan)) == ["optimizer.learning_rate"]
    Path("profiles/grid.toml").unlink()
    assert differences(plan) is None
    assert typed("grid", [plan], {}) is None
    assert lab.again(plan).plans[0].digest() == plan.digest()


def test_no_more_is_typed_than_is_needed(lab):
    plan = lab.plan("grid", {"model.depth": 4}).plans[-1]
    line = typed("grid", [plan], {})
    assert line == {
        "scheme.name": "bdia", "optimizer.learning_rate": 0.02, "model.depth": 4, "seeds": [1],
    }  # fmt: skip


def test_a_change_is_in_the_name(lab):
    plan = lab.plan("grid").plans[0]
    assert lab.again(plan).plans[0].name == plan.name
    assert lab.again(plan, {"model.depth": 6}).plans[0].name == f"{plan.name}-depth6"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["seeds=[7,8]"], ["grid-bdia-learning_rate0.02-s7", "grid-bdia-learning_rate0.02-s8"]),
        (["seeds=[7]", "data.train_limit=64"], ["grid-bdia-learning_rate0.02-s7"]),
        (["seed=1"], ["grid-bdia-learning_rate0.02-s1"]),
        (["optimizer.learning_rate=0.5"], ["grid-bdia-s1-learning_rate0.5"]),
        (["scheme.gamma=[0.5,1.0]", "scheme.grid_bits=none"], ["grid-bdia-learning_rate0.02-s1-grid_bitsnone-gamma0.5", "grid-bdia-learning_rate0.02-s1-grid_bitsnone-gamma1.0"]),
        (["scheme.name=residual", "backward=stored"], ["grid-learning_rate0.02-s1-residual-backwardstored"]),
    ],
)  # fmt: skip
def test_the_name_says_no_value_that_was_changed_and_none_that_was_typed_as_it_was(
    lab, words, names
):
    plan = lab.plan("grid").plans[-1]

    again = lab.again(plan, parse_assignments(words))

    assert [each.name for each in again.plans] == names


def test_the_name_says_nothing_of_a_kind_that_was_changed(lab):
    (plan,) = lab.again(
        lab.plan("grid").plans[-1], {"scheme.gamma": 0.5, "scheme.grid_bits": "none"}
    ).plans
    assert plan.name == "grid-bdia-learning_rate0.02-s1-gamma0.5-grid_bitsnone"

    (again,) = lab.again(plan, {"scheme.name": "midpoint"}).plans

    assert again.name == "grid-learning_rate0.02-s1-midpoint"


def test_the_name_of_a_profile_stays_whole_though_it_looks_like_a_seed(lab):
    Path("profiles/grid-s1.toml").write_text(GRID)
    plan = lab.plan("grid-s1").plans[1]
    assert plan.name == "grid-s1-residual-learning_rate0.01-s1"

    (again,) = lab.again(plan, {"seeds": [3]}).plans

    assert again.name == "grid-s1-residual-learning_rate0.01-s3"


def test_a_wrong_change_is_refused(lab):
    plan = lab.plan("grid").plans[0]
    with pytest.raises(ProfileError, match="heads"):
        lab.again(plan, {"model.heads": 5})
