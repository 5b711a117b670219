"""Studies: files, arms, quick forms, and one clear sentence for every mistake."""

from pathlib import Path

import pytest

from revconsole.errors import ProfileError, UnknownName
from revconsole.records import shelf
from revconsole.records import study as studies
from revconsole.records.plan import Plan
from revconsole.records.study import Study

SHIPPED = sorted(
    (Path(__file__).parent.parent.parent / "profiles" / "studies").glob("*.toml"),
)
ARMS = """
seeds = [0, 1]
[study]
title = "two ways"
baseline = "plain"
[model]
patch = 4
dim = 16
heads = 2
[[arm]]
name = "plain"
[[arm]]
name = "two streams"
scheme.name = "additive"
[quick]
train.epochs = 2
"""
LADDER = """
[study]
title = "step by step"
ladder = true
[[arm]]
name = "plain"
[[arm]]
name = "clipped"
train.clip = 1.0
[[arm]]
name = "smoothed"
train.label_smoothing = 0.1
"""
GRID = """
seeds = [0, 1]
[study]
title = "a sweep"
swept = "model.dim"
[vary]
"model.dim" = [12, 24]
"""


def study(text: str) -> Study:
    path = Path("mine.toml")
    path.write_text(text, encoding="utf-8")
    return studies.load(path)


def complaint(text: str, settings=None, *, quick=False) -> str:
    with pytest.raises(ProfileError) as caught:
        study(text).expanded(settings, quick=quick)
    return str(caught.value)


def test_every_arm_is_run_over_every_seed_and_says_where_it_belongs():
    arms = study(ARMS).expanded()

    assert [arm.name for arm in arms] == ["plain", "two streams"]
    assert [[p.seed for p in arm.plans] for arm in arms] == [[0, 1], [0, 1]]
    assert [arm.plans[0].scheme.name for arm in arms] == ["residual", "additive"]
    assert [arm.plans[0].backward for arm in arms] == ["stored", "reversible"]
    plan = arms[1].plans[1]
    assert (plan.study, plan.arm, plan.quick) == ("mine", "two streams", False)
    assert plan.name == "mine-two-streams-s1"


def test_the_quick_form_changes_settings_and_says_so_in_every_run():
    full, quick = study(ARMS).expanded(), study(ARMS).expanded(quick=True)

    assert {p.train.epochs for arm in full for p in arm.plans} == {10}
    assert {p.train.epochs for arm in quick for p in arm.plans} == {2}
    assert all(p.quick and "-quick-" in p.name for arm in quick for p in arm.plans)


def test_the_command_line_has_the_last_word():
    arms = study(ARMS).expanded({"train.epochs": 3, "seeds": [7]}, quick=True)

    assert [(p.train.epochs, p.seed) for arm in arms for p in arm.plans] == [(3, 7), (3, 7)]


def test_each_arm_of_a_ladder_keeps_what_those_above_it_set():
    plain, clipped, smoothed = (arm.plans[0].train for arm in study(LADDER).expanded())

    assert (plain.clip, plain.label_smoothing) == (None, 0.0)
    assert (clipped.clip, clipped.label_smoothing) == (1.0, 0.0)
    assert (smoothed.clip, smoothed.label_smoothing) == (1.0, 0.1)


def test_each_choice_of_a_grid_is_an_arm_with_its_place_on_the_axis():
    arms = study(GRID).expanded()

    assert [(arm.name, arm.swept) for arm in arms] == [("dim 12", 12.0), ("dim 24", 24.0)]


def test_a_list_on_the_command_line_is_another_grid():
    arms = study(GRID).expanded({"model.dim": [12, 24, 48]})

    assert [arm.swept for arm in arms] == [12.0, 24.0, 48.0]


def test_a_study_without_variation_is_a_single_arm_over_its_seeds():
    (only,) = study('seeds = [0, 1, 2]\n[study]\ntitle = "spread"').expanded()

    assert [p.seed for p in only.plans] == [0, 1, 2]
    assert only.plans[0].name == "mine-s0"


def test_the_baseline_is_the_arm_named_or_the_first():
    two = study(ARMS.replace('baseline = "plain"', 'baseline = "two streams"'))

    assert two.baseline(two.expanded()).name == "two streams"
    assert study(LADDER).baseline(study(LADDER).expanded()).name == "plain"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = [0]", "mine.toml: study: is missing"),
        ("[study]\nbaseline = 'x'", "study.title: is missing"),
        ("[study]\ntitel = 'x'", "study.titel: unknown key; did you mean 'title'?"),
        ("[study]\ntitle = 3", "study.title: should be text in quotes, not 3"),
        ("[study]\ntitle = 'x'\nladder = 'yes'", "study.ladder: should be true or false"),
        ("study = 3", "study: should be a table"),
        (ARMS.replace('"plain"', '"plane"', 1), "there is no arm 'plane'; did you mean 'plain'?"),
        (ARMS.replace('"two streams"', '"plain"'), "two arms are called 'plain'"),
        (ARMS.replace('name = "two streams"', ""), "each arm needs a name"),
        (ARMS.replace("[[arm]]", "[arm]", 1).partition("[[")[0], "write [[arm]]"),
        (ARMS + "[vary]\nseeds = [1]", "has arms or [vary], not both"),
        (ARMS.replace("additive", "addtive"), "did you mean 'additive'?"),
        (ARMS.replace("scheme.name", "sceme.name"), "arm 'two streams': sceme.name: unknown key"),
        (ARMS.replace('scheme.name = "additive"', ""), "'plain' and 'two streams' would be the same"),
        (GRID.replace("24", "12"), "two choices are called 'dim 12'"),
        (GRID.replace('swept = "model.dim"', 'swept = "scheme.name"'), "is no number"),
        (ARMS.replace("[model]", "[modle]"), "modle: unknown key; did you mean 'model'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text, words):
    assert words in complaint(text)


def test_a_mistake_in_the_quick_form_shows_only_there():
    broken = ARMS.replace("train.epochs = 2", "train.epoks = 2")

    assert len(study(broken).expanded()) == 2
    assert "quick: train.epoks: unknown key" in complaint(broken, quick=True)


def test_a_setting_that_levels_the_arms_is_refused():
    assert "would be the same runs" in complaint(ARMS, {"scheme.name": "momentum"})


def test_a_study_is_found_by_name_or_path_and_an_unknown_name_gets_the_nearest():
    Path("studies").mkdir()
    Path("mine.toml").write_text(ARMS, encoding="utf-8")

    assert shelf.find_study("mine").facts.title == "two ways"
    assert shelf.find_study("./mine.toml").name == "mine"
    with pytest.raises(UnknownName, match="did you mean 'mnist-patch'"):
        shelf.find_study("mnist-pach")


def test_a_study_is_no_profile_and_a_profile_no_study():
    Path("mine.toml").write_text(ARMS, encoding="utf-8")
    Path("plain.toml").write_text('title = "a profile"', encoding="utf-8")

    assert "mine" not in {entry.name for entry in shelf.shelved()}
    assert "plain" not in {entry.name for entry in shelf.shelved_studies()}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_study_states_its_facts_and_makes_plans_in_both_forms(path):
    shipped = studies.load(path)
    facts, full, quick = shipped.facts, shipped.expanded(), shipped.expanded(quick=True)

    assert all((facts.title, facts.source, facts.expected, facts.time, facts.hardware))
    assert facts.baseline in {arm.name for arm in full} & {arm.name for arm in quick}
    assert all(len(arm.plans) >= 3 for arm in (*full, *quick)), "a spread needs three seeds"
    assert {p.digest() for a in full for p in a.plans}.isdisjoint(
        {p.digest() for a in quick for p in a.plans}
    )


def test_studies_are_shipped():
    assert len(SHIPPED) >= 6


class Later(Plan):
    """A plan of a later version, with a setting that this one does not know."""

    novelty: int = 3


def test_a_setting_that_is_added_with_a_default_changes_no_digest_and_another_value_does():
    known = Plan(name="a", seed=4).model_dump()

    assert Later.model_validate(known).digest() == Plan.model_validate(known).digest()
    assert Later.model_validate(known | {"novelty": 4}).digest() != Plan(name="a", seed=4).digest()


def test_what_a_plan_is_called_is_not_in_its_digest():
    plan = Plan(name="a")
    other = plan.model_copy(update={"study": "s", "arm": "x", "quick": True, "profile": "s"})

    assert other.digest() == plan.digest()


def test_kinds_of_a_section_have_digests_of_their_own_even_at_their_defaults():
    names = ["residual", "additive", "momentum", "bdia", "midpoint", "leapfrog", "hamiltonian"]
    made = [Plan.model_validate({"name": "a", "scheme": {"name": n}}).digest() for n in names]
    timm = Plan.model_validate({"name": "a", "model": {"architecture": "timm"}}).digest()

    assert len({*made, timm}) == len(names) + 1
