"""The language of settings: their order has no meaning, nothing that was typed is dropped, and who is to blame is named."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from revconsole.errors import ProfileError
from revconsole.records.settings import profile as profiles
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile, load, parse_assignments
from revconsole.records.settings.words import assignment

TYPED = {
    "scheme.name": ["residual", "momentum", "bdia", ["residual", "momentum"], ["bdia", "additive"]],
    "scheme": [["residual", {"name": "bdia", "gamma": 0.25}], [{"name": "midpoint", "step": 0.5}, "bdia"]],
    "scheme.gamma": [0.5, 0.25, [0.5, 0.25]],
    "scheme.grid_bits": [9],
    "scheme.step": [0.5, [1.0, 2.0]],
    "optimizer.name": ["sgd", "adam", ["adamw", "sgd"]],
    "optimizer.learning_rate": [0.05, [0.1, 0.2]],
    "optimizer.nesterov": [True],
    "schedule.name": ["constant", "step", "one-cycle"],
    "schedule.warmup_epochs": [1.0],
    "schedule.rise": [0.2],
    "model.architecture": ["vit", "cct", ["vit", "cct"]],
    "model.depth": [2, [1, 2]],
    "dropout": [0.1],
    "model.pool": ["mean"],
    "backward": ["stored"],
    "train": [{"epochs": 4, "batch": 32}],
    "seeds": [[1, 2]],
}  # fmt: skip
BELOW = {
    "nothing": {},
    "another kind": {"optimizer": {"name": "adam", "learning_rate": 0.5}, "scheme": {"name": "momentum"}},
    "a varied section": {"vary": {"scheme": ["residual", {"name": "bdia", "grid_bits": 9}]}},
    "varied keys": {"vary": {"model": {"depth": [3, 4]}, "optimizer.name": ["sgd", "adamw"]}},
}  # fmt: skip
some_words = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in TYPED.items()}
)
THOROUGH = settings(
    max_examples=20 * int(os.environ.get("REVCONSOLE_FAULTS", "4")), deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


def below(name: str) -> Profile:
    return Profile(name="p", where="p.toml", table=BELOW[name])


def outcome(profile: Profile) -> list[str] | str:
    """The runs, whatever their order, or that there are none."""
    try:
        return sorted(plan.digest() + str(plan.seed) for plan in profile.plans())
    except ProfileError:
        return "refused"


@THOROUGH
@given(
    some_words, st.sampled_from(sorted(BELOW)), st.randoms(use_true_random=False), st.integers(0, 5)
)
@example({"optimizer.learning_rate": 0.05, "optimizer.name": "sgd"}, "nothing", random.Random(1), 1)
@example(
    {"scheme.gamma": 0.25, "scheme.name": ["residual", "momentum"]}, "nothing", random.Random(2), 1
)
def test_the_order_of_settings_and_how_they_are_handed_over_never_matter(
    typed: dict, name: str, shuffle: random.Random, cut: int
):
    words = [assignment(key, value) for key, value in typed.items()]
    shuffled = shuffle.sample(words, len(words))
    at_once = outcome(below(name).overridden(parse_assignments(words)))
    first, second = parse_assignments(shuffled[:cut]), parse_assignments(shuffled[cut:])

    assert outcome(below(name).overridden(parse_assignments(shuffled))) == at_once
    if (
        not {"scheme", "scheme.name"} <= typed.keys()
    ):  # one after the other the second picks from the first
        assert outcome(below(name).overridden(first).overridden(second)) == at_once


@THOROUGH
@given(some_words, st.sampled_from(sorted(BELOW)))
@example({"scheme.gamma": 0.25, "scheme.name": "bdia"}, "another kind")
def test_what_was_typed_is_in_every_run_that_has_it_and_in_one_at_least(typed: dict, name: str):
    try:
        made = below(name).overridden(typed).plans()
    except ProfileError:
        return
    for key, value in typed.items():
        section, _, field = ("model.dropout" if key == "dropout" else key).partition(".")
        if isinstance(value, dict):
            assert all(getattr(p.train, f) == v for p in made for f, v in value.items())
        elif field:
            owners = [getattr(plan, section) for plan in made]
            found = {getattr(owner, field) for owner in owners if hasattr(owner, field)}
            assert found == set(value if isinstance(value, list) else [value])


@settings(deadline=None)
@given(
    st.recursive(
        st.text() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False)
        | st.sampled_from(["true", "None", "1e-3", "a,b", "[a]", "#x", "3#x", "1\nw = 2", "1]#", ".5", "{a=1}"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_ .", min_size=1), inner, max_size=2),
        max_leaves=5,
    )
)  # fmt: skip
def test_every_value_is_read_back_from_the_word_that_spells_it(value):
    found = parse_assignments([assignment("data.folder", value)])["data.folder"]

    assert (found, repr(found)) == (value, repr(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), (".5", 0.5), ("5.", 5.0), ("True", True), ("false", False), ("None", "none"),
        ("'3'", "3"), (" 4 ", 4), ("3#x", "3#x"), ("1\nw = 2", "1\nw = 2"), ("1]#", "1]#"), ("[a, 2]", ["a", 2]),
        ('[a,{name=b,n=2},{name="c"}]', ["a", {"name": "b", "n": 2}, {"name": "c"}]), ("", ""), (".", "."),
        ("/a/b#c", "/a/b#c"), ("a.*,b.*", "a.*,b.*"),
    ],
)  # fmt: skip
def test_a_value_means_what_people_write_it_for(text, value):
    found = parse_assignments([f"data.folder={text}"])["data.folder"]

    assert (found, type(found)) == (value, type(value))


def test_one_key_may_be_said_twice_alike_and_not_otherwise():
    assert parse_assignments(["a.b=1e-3", "a.b=0.001"]) == {"a.b": 0.001}
    with pytest.raises(ProfileError, match="given twice, as 1 and as true"):
        parse_assignments(["a.b=1", "a.b=true"])


def made(text: str, *words: str) -> list[Plan]:
    Path("mine.toml").write_text(text, encoding="utf-8")
    return list(load(Path("mine.toml")).overridden(parse_assignments(words)).plans())


def complaint(text: str, *words: str) -> str:
    with pytest.raises(ProfileError) as caught:
        made(text, *words)
    return str(caught.value)


def test_a_key_of_vary_may_be_quoted_or_not_and_finds_its_section():
    lines = [
        '"model.dropout" = [0, 0.1]', "model.dropout = [0, 0.1]", "dropout = [0, 0.1]",
        "model = { dropout = [0, 0.1] }",
    ]  # fmt: skip

    found = [[(p.name, p.model.dropout) for p in made(f"[vary]\n{line}")] for line in lines]

    assert found == [[("mine-dropout0", 0.0), ("mine-dropout0.1", 0.1)]] * 4


def test_a_list_of_names_is_a_list_of_kinds():
    names = [p.scheme.name for p in made('[vary]\nscheme = ["residual", { name = "bdia" }]')]

    assert names == ["residual", "bdia"]
    assert made('scheme = "bdia"\nmodel = "cct"')[0].model.architecture == "cct"


def test_seeds_may_be_varied_and_one_seed_has_a_word_of_its_own():
    assert [p.seed for p in made("[vary]\nseeds = [3, 4]")] == [3, 4]
    assert [p.seed for p in made("seeds = [1, 2]", "seed=7")] == [7]
    assert "seeds: is given twice" in complaint("seeds = [1, 2]\n[vary]\nseeds = [3]")


def test_a_setting_of_some_kinds_is_set_in_those_and_their_lists_vary_those_alone():
    text = '[vary]\nscheme = ["residual", "momentum", { name = "bdia", grid_bits = 9 }]'
    grid = made(text, "scheme.gamma=[0.25,0.5]")

    assert [(p.scheme.name, getattr(p.scheme, "gamma", None)) for p in grid] == [
        ("residual", None), ("momentum", 0.25), ("momentum", 0.5), ("bdia", 0.25), ("bdia", 0.5),
    ]  # fmt: skip
    assert len({p.name for p in grid}) == 5


def test_every_entry_of_a_kind_is_picked():
    text = '[vary]\nscheme = [{ name = "bdia", gamma = 0.5 }, { name = "bdia", gamma = 0.25 }, "residual"]'
    picked = made(text, "scheme.name=bdia")

    assert [p.scheme.gamma for p in picked] == [0.5, 0.25]
    assert [p.name for p in picked] == ["mine-bdia-gamma0.5", "mine-bdia-gamma0.25"]


def test_what_the_file_says_of_another_kind_goes_with_that_kind():
    text = '[optimizer]\nname = "adam"\nlearning_rate = 0.5'

    assert made(text, "optimizer.name=sgd")[0].optimizer.learning_rate == 0.1
    assert made(text, "optimizer.name=adam")[0].optimizer.learning_rate == 0.5


def test_a_setting_of_the_file_waits_for_a_kind_that_has_it():
    text = "[scheme]\ngamma = 0.7"

    assert made(text, "scheme.name=momentum")[0].scheme.gamma == 0.7
    assert complaint(text).startswith("mine.toml: scheme.gamma: scheme 'residual' has no gamma")


def test_who_brought_a_contradiction_about_is_to_blame_and_where_the_other_half_is_from_is_said():
    text = "[schedule]\nwarmup_epochs = 3.0\n[model]\ndim = 64\nheads = 4"

    assert complaint(text, "train.epochs=2") == (
        "command line: schedule.warmup_epochs: 3 epochs of warm-up must be fewer than train.epochs (2); "
        "set schedule.warmup_epochs=0.2, say (schedule.warmup_epochs is from mine.toml)"
    )
    assert complaint(text, "model.dim=30").startswith(
        "command line: model.heads: 4 heads do not divide dim 30"
    )
    assert complaint(text + "\n[train]\nepochs = 3", "model.depth=2").startswith(
        "mine.toml: schedule.warmup_epochs"
    )
    assert complaint(text, "model=3").startswith("command line: model: should be an architecture")


def test_what_was_typed_is_judged_first_and_everything_else_is_named():
    said = complaint("modle = 3\n[train]\nepocs = 2", "model.depth=x", "data.trian_limit=4")

    assert said.startswith(
        "command line: data.trian_limit: unknown key; did you mean 'train_limit'?"
    )
    assert said.endswith(
        "(and 3 more mistakes: model.depth, modle in mine.toml, train.epocs in mine.toml)"
    )


def test_a_file_that_is_no_profile_is_one_sentence_and_nothing_waits_for_it():
    os.mkfifo("pipe.toml")
    Path("deep.toml").write_text(f"x = {'[' * 5000}{']' * 5000}")
    Path("long.toml").write_text(f"seeds = [{'9' * 5000}]")
    Path("large.toml").write_text(f"seeds = [{','.join(map(str, range(300_000)))}]")
    Path("many.toml").write_text(f"seeds = [{','.join(map(str, range(2000)))}]")
    for name, words in {
        "pipe": "is not a regular file, so it is no profile", "deep": "nested beyond reason",
        "long": "a number in it has more than 4,300 digits", "large": "larger than 1,048,576 bytes",
        "many": "seeds: this makes 2000 runs; the limit is 1000",
    }.items():  # fmt: skip
        with pytest.raises(ProfileError, match=words):
            load(Path(f"{name}.toml")).plans()
    with pytest.raises(ProfileError, match="not a regular file"):
        profiles.read_table(Path("/dev/zero"))
    assert "demo" in {entry.name for entry in search_path.profiles()}


def test_what_a_profile_comes_to_is_a_profile_again():
    words = ["scheme.name=[residual,bdia]", "scheme.gamma=0.25", "dropout=[0,0.1]", "seeds=[4,5]"]
    profile = search_path.find("vit-cifar100").profile.overridden(parse_assignments(words))

    again = Profile(name=profile.name, where="p.toml", table=profile.merged())

    assert outcome(again) == outcome(profile)
    assert len(again.plans()) == 8


IDLE = [
    (["data.crop_padding=2"], "data.augment=crop"),
    (["data.crop_ratio=2.0"], "data.random_resized_crop=0.08"),
    (["data.crop_most=0.9"], "data.random_resized_crop=0.08"),
    (["data.zca_eps=0.2"], "data.standardise=zca"),
    (["data.flip=false", "data.augment=crop-flip"], "data.augment=crop"),
    (["data.flip=true", "data.augment=crop-flip"], "data.augment=none"),
    (["data.gap=1"], "data.dataset=context_patches data.source=cifar10 model.patch=4"),
    (["data.cut_seed=1"], "data.dataset=context_patches data.source=cifar10 model.patch=4"),
    (["data.on_bad_image=skip"], "data.dataset=imagefolder data.folder=/x data.image_size=8"),
    (["data.place=host", "train.device=cpu"], "train.device=cuda"),
    (["model.mlp_ratio=2.0", "model.mlp_width=50"], "model.mlp_width=none"),
    (["model.mlp_ratio=4.0", "model.mlp_width=50"], "model.mlp_width=none"),
    (["model.drop_path=0.1", "model.depth=1"], "model.depth=2"),
    (["model.architecture=timm", "model.pretrained=true", "model.weights=x.pth"], "model.weights=none"),
    (["model.architecture=svm", "model.gamma=2", "model.kernel=linear"], "model.kernel=rbf"),
    (["model.architecture=svm", "model.degree=2"], "model.kernel=poly"),
    (
        ["scheme.moving=0.2", "scheme.name=coefficients", "scheme.beta=0.7", "scheme.end_alpha=none", "scheme.end_beta=none"],
        "scheme.end_alpha=0.5",
    ),
    (["train.epochs=4", "train.steps=30"], "train.steps=none"),
    (["train.epochs=10", "train.steps=30"], "train.steps=none"),
    (["train.budget_mib=100"], "backward=auto"),
    (["train.probe_epochs=2"], "scheme.name=additive"),
    (["schedule.warmup_epochs=1.0", "schedule.warmup_steps=3"], "schedule.warmup_steps=none"),
    (["schedule.warmup_epochs=0", "schedule.warmup_steps=3"], "schedule.warmup_steps=none"),
    (["schedule.name=step", "schedule.factor=0.5"], "schedule.every_epochs=3"),
    (["schedule.name=step", "schedule.every_epochs=20"], "train.epochs=40"),
    (["objective.name=dino", "objective.local_scale=0.1", "objective.local_crops=0"], "objective.local_crops=2"),
    (["objective.name=dino", "objective.temperature_warmup=0.5"], "objective.teacher_temperature=0.06"),
    (["objective.name=mae", "data.mixup=0.5"], "objective.name=classification"),
    (["objective.name=mae", "train.label_smoothing=0.1"], "objective.name=classification"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "remedy"), IDLE, ids=[" ".join(words) for words, _ in IDLE])
def test_a_setting_without_an_effect_is_refused_and_with_its_remedy_it_is_obeyed(words, remedy):
    said = complaint("", *words)
    changed = {word.partition("=")[0]: word for word in [*words, *remedy.split()]}

    assert any(said.startswith(f"command line: {word.partition('=')[0]}: ") for word in words)
    assert len(made("", *changed.values())) == 1


def test_what_the_file_says_may_be_made_idle_and_what_is_typed_beside_it_may_not():
    text = '[data]\naugment = "crop"\ncrop_padding = 2\n[train]\nepochs = 3\n[schedule]\nwarmup_epochs = 1.0'

    assert made(text, "data.augment=none")[0].data.augment == "none"
    assert made(text, "train.steps=50")[0].train.steps == 50
    assert complaint(text + "\n[model]\ndepth = 1\ndrop_path = 0.1").startswith(
        "mine.toml: model.drop_path"
    )
    assert complaint("[train]\nsteps = 50", "train.epochs=2") == (
        "command line: train.epochs: train.steps (50) says how long it trains; leave one out, or set train.steps=none"
    )
    assert complaint(text, "data.augment=none", "data.crop_padding=3").startswith(
        "command line: data.crop_padding: pads before a random crop, and there is none"
    )


def test_what_varies_and_changes_nothing_makes_one_run_and_not_several_alike():
    text = '[vary]\nscheme = ["residual", "additive"]\ntrain.probe_epochs = [2, 3]'

    plans = made(text)

    assert [(p.scheme.name, p.train.probe_epochs) for p in plans] == [
        ("residual", 1), ("additive", 2), ("additive", 3),
    ]  # fmt: skip
    assert plans[0].name == "mine-residual"
    assert len(made("[vary]\ntrain.epochs = [1, 2]", "train.steps=10")) == 1


def test_a_setting_that_some_runs_of_a_grid_have_a_use_for_is_right():
    text = '[vary]\nscheme = ["residual", "additive"]\n[train]\nprobe_epochs = 2'

    assert [p.train.probe_epochs for p in made(text)] == [1, 2]
    assert made("", "train.probe_epochs=0")[0].train.probe_epochs == 0, (
        "to ask for nothing is right"
    )
    assert made("", "data.crop_padding=4"), "what would be so anyway is right"


def test_what_runs_are_kept_with_can_be_run_again_although_settings_of_the_file_became_idle():
    text = '[data]\naugment = "crop"\ncrop_padding = 2\n[train]\nepochs = 3'
    Path("mine.toml").write_text(text, encoding="utf-8")
    words = parse_assignments(
        ["data.augment=none", "train.steps=50", "scheme.gamma=0.25", "scheme.name=bdia"]
    )
    profile = load(Path("mine.toml")).overridden(words)

    again = Profile(name="again", where="again.toml", table=profile.merged())

    assert "crop_padding" not in profile.merged()["data"]
    assert again.plans()[0].scheme == profile.plans()[0].scheme
    assert again.plans()[0].train.steps == 50
