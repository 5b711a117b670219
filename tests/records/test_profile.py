"""Profiles: files, overrides, grids, and one clear sentence for every mistake."""

from pathlib import Path

import pytest

from revconsole.errors import ProfileError, UnknownName, nearest
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile, load, parse_assignments


def profile(**table):
    return Profile(name="p", where="p.toml", table=table)


def plans(arguments, **table):
    return profile(**table).overridden(parse_assignments(arguments)).plans()


def complaint(arguments, **table) -> str:
    with pytest.raises(ProfileError) as caught:
        plans(arguments, **table)
    return str(caught.value)


def test_an_empty_profile_is_one_plan_with_every_default():
    (only,) = profile().plans()

    assert only == Plan(name="p", profile="p", backward="stored")


def test_vary_and_seeds_make_a_grid_in_the_order_written():
    made = profile(seeds=[3, 4], vary={"model.depth": [2, 4]}).plans()

    assert [(p.model.depth, p.seed) for p in made] == [(2, 3), (2, 4), (4, 3), (4, 4)]
    assert [p.name for p in made] == ["p-depth2-s3", "p-depth2-s4", "p-depth4-s3", "p-depth4-s4"]


def test_of_many_names_none_of_which_is_near_three_are_said():
    known = [f"setting_{n:02d}" for n in range(30)]
    assert str(UnknownName("key", "q", known)).count("setting_") == 3
    assert str(UnknownName("key", "q", known[:20])).count("setting_") == 20


def test_none_unsets_what_may_be_unset_and_nothing_else():
    table = {"train": {"clip": 1.0}, "data": {"rand_augment": 9}}
    (made,) = plans(["train.clip=none", "data.rand_augment=none", "data.augment=none"], **table)

    assert (made.train.clip, made.data.rand_augment, made.data.augment) == (None, None, "none")
    assert "should be a whole number" in complaint(["train.epochs=none"])


def test_a_varied_section_takes_each_entry_whole():
    entries = [{"name": "residual"}, {"name": "momentum", "gamma": 0.8}, {"name": "bdia"}]

    made = profile(vary={"scheme": entries}).plans()

    assert [(p.scheme.name, p.backward) for p in made] == [
        ("residual", "stored"),
        ("momentum", "reversible"),
        ("bdia", "reversible"),
    ]
    assert made[1].scheme.gamma == 0.8


def test_naming_a_kind_on_the_command_line_picks_that_entry_of_a_varied_section():
    entries = [{"name": "residual"}, {"name": "bdia", "grid_bits": 9}]

    (only,) = plans(["scheme.name=bdia"], vary={"scheme": entries})

    assert (only.scheme.name, only.scheme.grid_bits) == ("bdia", 9)


def test_a_list_of_kinds_picks_those_entries_and_adds_the_others():
    entries = [{"name": "residual"}, {"name": "bdia", "grid_bits": 9}]

    made = plans(["scheme.name=[bdia,additive]"], vary={"scheme": entries})

    assert [(p.scheme.name, getattr(p.scheme, "grid_bits", None)) for p in made] == [
        ("bdia", 9),
        ("additive", None),
    ]


def test_changing_the_kind_of_a_section_starts_it_from_the_new_defaults():
    (only,) = plans(
        ["scheme.name=momentum"], scheme={"name": "bdia", "gamma": 0.25, "grid_bits": 9}
    )

    assert only.scheme.gamma == 0.9


def test_a_list_on_the_command_line_makes_a_grid():
    made = plans(["scheme.name=[additive,bdia]", "model.depth=[2, 3]"])

    assert [(p.scheme.name, p.model.depth) for p in made] == [
        ("additive", 2),
        ("additive", 3),
        ("bdia", 2),
        ("bdia", 3),
    ]


def test_backward_defaults_to_reversible_where_the_scheme_has_an_inverse():
    assert plans(["scheme.name=additive"])[0].backward == "reversible"
    assert plans(["scheme.name=residual"])[0].backward == "stored"
    assert plans(["scheme.name=additive", "backward=stored"])[0].backward == "stored"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["momentum=3"], "command line: momentum: is a key of several sections; write optimizer.momentum or"),
        (["dept=3"], "command line: dept: unknown key; did you mean 'depth'?"),
        (["droput=0.1"], "command line: droput: unknown key; did you mean 'dropout'?"),
        (["lr=3"], "command line: lr: unknown key; did you mean optimizer.learning_rate?"),
        (["optimizer.lr=3"], "command line: optimizer.lr: unknown key; did you mean optimizer.learning_rate?"),
        (["Model.Depth=3"], "command line: Model.Depth: unknown key; did you mean model.depth?"),
        (["model.c=3"], "command line: model.c: unknown key; did you mean model.C?"),
        (["--train.epochs=4"], "--train.epochs=4: settings have no dashes: write train.epochs=4"),
        (["train.epochs", "=", "4"], "write key=value without spaces, e.g. model.depth=4"),
        (["train.epochs=4", "train.epochs=5"], "train.epochs: is given twice, as 4 and as 5; leave one out"),
        (["depth=4", "model.depth=5"], "model.depth: is given twice, as 4 and as 5; leave one out"),
        (["model=3"], "command line: model: should be an architecture by name, or a table, not 3; there are: vit,"),
        (["optimizer=[3]"], "command line: optimizer: should be an optimizer by name, or a table, not 3"),
        (["data=cifar10"], "command line: data: should be a table, not 'cifar10'; write data.dataset=cifar10"),
        (["model.depth=[2,4,2]"], "command line: model.depth: has 2 twice in its list; leave one out"),
        (["scheme=[bdia,{name=bdia}]"], 'command line: scheme: has {name="bdia"} twice in its list'),
        (["model.dropout=[0,0.0]"], "command line: model.dropout: has 0.0 twice in its list; leave one out"),
        (["seeds=[1,1]"], "command line: seeds: has 1 twice in its list; leave one out"),
        (["seed=[0,2,0]"], "command line: seeds: has 0 twice in its list; leave one out"),
        (["title=other"], "command line: title: is of a file, and no run has another for it; leave it out"),
        (["title=[a,b]"], "command line: title: is of a file"),
        (["model.depth=[]"], "command line: model.depth: should be a list of values, not []"),
        (["seeds=3"], "command line: seeds: 3 may be a seed or how many; write seed=3 or seeds=[0,1,2]"),
        (["seeds=[4294967296]"], "command line: seeds: the largest seed is 4294967295"),
        (["train.epochs=" + "9" * 5000], "cannot be read: a number in it has more than 4,300 digits"),
        (["train.epochs=0x" + "f" * 6000], "should be at most 100000, not an int beyond reason"),
        (["train.epochs=" + "[" * 5000], "should be a whole number, not '[[["),
        (["train.epochs=" + "[" * 5000 + "]" * 5000], "train.epochs: is nested too deeply"),
        (
            ["scheme.gamma=0.5", "scheme.name=[residual,additive]"],
            "scheme.gamma: scheme 'residual' and 'additive' have no gamma; momentum and bdia have it",
        ),
        (
            ["schedule.warmup_epochs=7", "schedule.name=one-cycle"],
            "schedule.warmup_epochs: schedule 'one-cycle' has no warmup_epochs; constant, cosine, step and",
        ),
        (
            ["scheme=[residual,{name=momentum,gamma=0.3}]", "scheme.gamma=0.9"],
            "scheme.gamma: is said by the list of scheme, too; leave one out",
        ),
        (["scheme=[residual]", "scheme.name=[bdia]"], "scheme: and scheme.name both say which"),
        (["model.dpeth=3", "train.epocs=4"], "did you mean 'depth'? (and 1 more mistake: train.epocs)"),
        (["train.epochs=soon", "model.depth=x"], "(and 1 more mistake: train.epochs)"),
        (["model.dpeth=3"], "command line: model.dpeth: unknown key; did you mean 'depth'?"),
        (["modle.depth=3"], "command line: modle.depth: unknown key; did you mean 'model'?"),
        (["model.depth=abc"], "command line: model.depth: should be a whole number, not 'abc'"),
        (["model.depth=2.5"], "command line: model.depth: should be a whole number, not 2.5"),
        (["model.depth=-1"], "command line: model.depth: should be at least 1, not -1"),
        (
            ["model.patch=3"],
            "patch 3 does not divide the image side of 8 pixels; these do: 1, 2, 4, 8",
        ),
        (
            ["model.dim=10", "model.heads=4"],
            "command line: model.heads: 4 heads do not divide dim 10; these do: 1, 2, 5, 10",
        ),
        (
            ["scheme.name=residual", "scheme.gamma=0.5"],
            "command line: scheme.gamma: scheme 'residual' has no gamma; momentum and bdia have it",
        ),
        (["scheme.name=bdai"], "command line: scheme.name: there is no scheme 'bdai'; did you mean 'bdia'?"),
        (
            ["backward=reversible"],
            "command line: backward: scheme 'residual' has no inverse; use backward 'stored', 'checkpointed'",
        ),
        (
            ["data.dataset=cifar11"],
            "command line: data.dataset: there is no dataset 'cifar11'; did you mean 'cifar10'?",
        ),
        (["train.batch=10", "train.accumulate=3"], "3 micro-batches do not divide batch 10"),
        (["train.precision=bf8"], "'bf8' is not one of 'float32', 'tf32', 'bf16', 'fp16'"),
        (["train.device=gpu"], "should be auto, cpu, mps, cuda, or cuda:0, cuda:1, …, not 'gpu'"),
        (["train.track=tensorbord"], "should be tensorboard, wandb or mlflow, or several with commas or none"),
        (["seeds=[]"], "seeds: should be a list of whole numbers from 0, not []"),
        (["seeds=[-1]"], "seeds: should be a list of whole numbers from 0, not [-1]"),
        (["seeds=7-8"], "seeds: should be a list of whole numbers from 0, not '7-8'; write [7,8], say"),
        (["seeds=7,", "8"], "8: is not a setting; write several seeds without spaces, e.g. seeds=7,8"),
        (["train.epochs=1, 2"], "should be a whole number, not '1, 2'; for a run of each, write [1,2]"),
        (["x"], "command line: x: is not a setting; write key=value, e.g. model.depth=4"),
        (
            ["scheme.name=bdia", "scheme.grid_bits=none", "model.depth=24"],
            "float bdia loses its activations over 24 blocks in float32, by 100.00% (0.05% at most); set grid_bits = 9",
        ),
        (
            ["scheme.name=bdia", "scheme.grid_bits=none", "model.depth=12", "train.precision=bf16"],
            "in bf16, by 29.77% (4.35% at most); set grid_bits = 9 for exact reconstruction, train.precision = 'float32'",
        ),
        (
            ["scheme.name=momentum", "scheme.gamma=0.5", "model.depth=32"],
            "float momentum loses its activations over 32 blocks",
        ),
        (["scheme.name=momentum", "scheme.gamma=0.0"], "divides by gamma, so gamma 0 cannot be reversed"),
        (["scheme.name=bdia", "scheme.gamma=0.3", "scheme.grid_bits=9"], "exact at gamma 0.5"),
        (
            ["schedule.warmup_epochs=10"],
            "10 epochs of warm-up must be fewer than train.epochs (10); set schedule.warmup_epochs=1, say",
        ),
        (
            ["schedule.warmup_steps=10", "train.steps=10"],
            "10 steps of warm-up must be fewer than the 10 of the run; set schedule.warmup_steps=1, say",
        ),
        (["model.pretrained=false"], "should be text in quotes or none, not false"),
        (["train.patience=soon"], "should be a whole number or none, not 'soon'"),
        (
            ["model.architecture=timm", "model.pretrained=3"],
            "command line: model.pretrained: should be true or false or text in quotes, not 3",
        ),
        (["train.epochs=soon"], "should be a whole number, not 'soon'"),
        (["data.train_limit=99999"], "digits has 1437 training images, not 99999"),
        (["data.test_limit=361"], "digits has 360 test images, not 361"),
        (["optimizer.learning_rate=nan"], "should be a finite number, not nan"),
        ([f"seeds={list(range(1001))}"], "this makes 1001 runs; the limit is 1000"),
    ],
)  # fmt: skip
def test_a_wrong_setting_gets_one_sentence(arguments, sentence):
    assert sentence in complaint(arguments)


@pytest.mark.parametrize("spelled", ["7,8", "7, 8", "7 8", " 7 , 8 ", "[7, 8]"])
@pytest.mark.parametrize("key", ["seeds", "seed"])
def test_several_seeds_need_no_brackets(key, spelled):
    assert [plan.seed for plan in plans([f"{key}={spelled}"])] == [7, 8]


def test_a_wrong_key_in_a_file_names_the_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[model]\ndepht = 3\n")

    with pytest.raises(
        ProfileError, match=r"mine\.toml: model\.depht: unknown key; did you mean 'depth'"
    ):
        load(path).plans()


def test_an_unknown_section_in_a_file_is_refused(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[optimiser]\nname = 'adam'\n")

    with pytest.raises(ProfileError, match="did you mean 'optimizer'"):
        load(path).plans()


def test_a_file_that_is_not_toml_says_where(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[model\n")

    with pytest.raises(ProfileError, match=r"mine\.toml: is not valid TOML: .*line 1"):
        load(path)


def test_a_missing_file_says_what_to_do_next(tmp_path: Path):
    with pytest.raises(ProfileError, match="no such file; `revconsole profiles` lists"):
        search_path.find(str(tmp_path / "none.toml"))


def test_an_unknown_profile_names_the_nearest(tmp_path: Path):
    with pytest.raises(UnknownName, match="there is no profile 'dmeo'; did you mean 'demo'"):
        search_path.find("dmeo")


def test_a_profile_of_the_working_folder_comes_first():
    Path("demo.toml").write_text('title = "mine"\n')

    assert search_path.find("demo").facts.title == "mine"
    assert {e.name: e.title for e in search_path.profiles()}["demo"] == "mine"


def test_plans_that_differ_only_in_name_train_alike():
    one = Plan(name="a")

    assert one.digest() == Plan(name="b", data_fingerprint="f" * 64).digest()
    assert one.digest() != Plan(name="a", seed=1).digest()


def test_a_plan_survives_json():
    (only,) = plans(["scheme.name=bdia", "scheme.grid_bits=9", "model.pool=mean"])

    assert Plan.model_validate_json(only.model_dump_json()) == only


def test_a_name_with_a_letter_too_many_is_near_to_one_that_begins_like_it():
    known = ["gcvit_tiny", "vit_tiny_patch16_224", "levit_128"]
    assert nearest("vit_tinyy", known) == "; did you mean 'vit_tiny_patch16_224'?"
    assert nearest("gcvit_tinny", known) == "; did you mean 'gcvit_tiny'?"
