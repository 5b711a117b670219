"""Studies: files, arms, quick forms, and one clear sentence for every mistake."""

from pathlib import Path

import pytest

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.settings import search_path
from revconsole.records.settings import study as studies
from revconsole.records.settings.drawn import possible, search_of
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import Study

FILES = sorted(
    (Path(__file__).parent.parent.parent / "profiles" / "studies").glob("*.toml"),
)
SEARCHES = [path for path in FILES if "[search]" in path.read_text(encoding="utf-8")]
SHIPPED = [path for path in FILES if path not in SEARCHES]
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


def test_a_rung_that_names_another_kind_leaves_the_settings_of_the_old_one_below():
    rungs = LADDER.replace("train.clip = 1.0", 'scheme = { name = "momentum", gamma = 0.8 }')
    rungs = rungs.replace("train.label_smoothing = 0.1", 'scheme.name = "additive"')
    plain, second, third = (arm.plans[0].scheme for arm in study(rungs).expanded())

    assert (plain.name, second.name, second.gamma, third.name) == (
        "residual",
        "momentum",
        0.8,
        "additive",
    )


def test_a_setting_of_some_arms_is_set_in_those_and_one_of_none_is_refused():
    arms = study(ARMS).expanded({"scheme.grid_bits": 9})

    assert [getattr(arm.plans[0].scheme, "grid_bits", None) for arm in arms] == [None, 9]
    assert "scheme.gamma: scheme 'residual' has no gamma" in complaint(ARMS, {"scheme.gamma": 0.5})


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


def test_every_arm_has_each_choice():
    given = ARMS.replace('"plain"', '"plain, depth 1"', 1) + "[vary]\nmodel.depth = [1, 2]"
    arms = study(given).expanded(quick=True)

    names = ["plain, depth 1", "plain, depth 2", "two streams, depth 1", "two streams, depth 2"]
    assert [arm.name for arm in arms] == names
    settings = [(arm.plans[0].scheme.name, arm.plans[0].model.depth) for arm in arms]
    assert settings == [("residual", 1), ("residual", 2), ("additive", 1), ("additive", 2)]
    assert {arm.plans[0].train.epochs for arm in arms} == {2}


def test_what_was_reported_may_be_of_arms_that_the_command_line_leaves_out():
    given = study(
        ARMS.replace(
            "[quick]", "[vary]\nmodel.depth = [1, 2]\n[reported]\n'plain, depth 1' = 88.15\n[quick]"
        ).replace('baseline = "plain"', "")
    )

    assert given.reported == {"plain, depth 1": 88.15}
    assert len(given.expanded({"model.depth": 2})) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[study]\nladder = true", "study.ladder: is of [[arm]] tables, and there are none"),
        (GRID + "[quick]\nmodel.dimm = 3", "quick: model.dimm: unknown key; did you mean 'dim'?"),
        (GRID.replace("seeds = [0, 1]", "seeds = [1, 1]"), "mine.toml: seeds: has 1 twice in its list"),
        (GRID.replace('swept = "model.dim"', 'swept = "model.dimm"'), "study.swept: model.dimm: unknown key"),
        (GRID.replace("[vary]", 'baseline = "dim 13"\n[vary]'), "there is no arm 'dim 13'; did you mean 'dim 12'?"),
        ("[study]\ntitel = 'x'", "study.titel: unknown key; did you mean 'title'?"),
        ("[study]\ntitle = 3", "study.title: should be text in quotes, not 3"),
        ("[study]\ntitle = 'x'\nladder = 'yes'", "study.ladder: should be true or false"),
        ("study = 3", "study: should be a table"),
        (ARMS.replace('"plain"', '"plane"', 1), "there is no arm 'plane'; did you mean 'plain'?"),
        (ARMS.replace('"two streams"', '"plain"'), "two arms are called 'plain'"),
        (ARMS.replace('name = "two streams"', ""), "each arm needs a name"),
        (ARMS.replace("[[arm]]", "[arm]", 1).partition("[[")[0], "write [[arm]]"),
        (ARMS.replace("[study]", "[study]\nladder = true") + "[vary]\nmodel.depth = [1, 2]", "a choice of [vary] is no step"),
        (ARMS + "[reported]\nplane = 90", "reported: there is no arm 'plane'; did you mean 'plain'?"),
        (ARMS + "[reported]\nplain = 101", "reported.plain: should be a test accuracy in percent, not 101"),
        (ARMS + "[reported]\nplain = true", "reported.plain: should be a test accuracy in percent, not True"),
        ("reported = 3", "reported: should be a table"),
        (ARMS.replace("additive", "addtive"), "did you mean 'additive'?"),
        (ARMS.replace("scheme.name", "sceme.name"), "arm 'two streams': sceme.name: unknown key"),
        (ARMS.replace('scheme.name = "additive"', ""), "'plain' and 'two streams' would be the same"),
        (GRID.replace("24", "12"), "mine.toml: model.dim: has 12 twice in its list"),
        (GRID.replace('swept = "model.dim"', 'swept = "scheme.name"'), "should be a number"),
        (ARMS.replace("[model]", "[modle]"), "modle: unknown key; did you mean 'model'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text, words):
    assert words in complaint(text)


def test_a_wrong_value_of_the_quick_form_shows_only_there():
    broken = ARMS.replace("train.epochs = 2", "train.epochs = -2")

    assert len(study(broken).expanded()) == 2
    assert "train.epochs: should be at least 1" in complaint(broken, quick=True)


def test_a_quick_form_that_a_file_does_not_have_is_refused():
    assert "there is no [quick] in it" in complaint(GRID, quick=True)


def test_a_setting_that_levels_the_arms_is_refused():
    assert "would be the same runs" in complaint(ARMS, {"scheme.name": "momentum"})


def test_a_study_is_found_by_name_or_path_and_an_unknown_name_gets_the_nearest():
    Path("studies").mkdir()
    Path("mine.toml").write_text(ARMS, encoding="utf-8")

    assert search_path.find("mine").facts.title == "two ways"
    assert search_path.find("./mine.toml").name == "mine"
    with pytest.raises(UnknownName, match="did you mean 'mnist-patch'"):
        search_path.find("mnist-pach", "study")


PLAIN = """
title = "dropout or not?"
seeds = [0, 1]
[model]
patch = 4
dim = 16
heads = 2
[vary]
scheme = [{ name = "residual" }, { name = "bdia", grid_bits = 9 }]
"model.dropout" = [0, 0.1]
"""


def test_a_profile_is_a_study_whose_arms_are_its_choices_the_first_the_baseline():
    profile = study(PLAIN)
    arms = profile.expanded()

    assert [arm.name for arm in arms] == [
        "residual, dropout 0", "residual, dropout 0.1",
        "bdia grid_bits 9, dropout 0", "bdia grid_bits 9, dropout 0.1",
    ]  # fmt: skip
    assert profile.baseline(arms).name == "residual, dropout 0"
    assert profile.facts.title == "dropout or not?"
    plan = arms[3].plans[1]
    assert plan.name == "mine-bdia-dropout0.1-s1", "the name that `train` gives it"
    assert (plan.study, plan.profile, plan.arm) == ("mine", "mine", "bdia grid_bits 9, dropout 0.1")


def test_a_profile_of_a_single_run_belongs_to_no_study():
    (plan,) = study('title = "one"').plans()

    assert (plan.name, plan.study, plan.arm) == ("mine", "", "")


def test_the_title_of_a_study_is_that_of_its_profile_unless_it_has_one():
    assert study(PLAIN + '[study]\nbaseline = "residual, dropout 0.1"').facts.title == (
        "dropout or not?"
    )
    assert study(PLAIN + '[study]\ntitle = "other"').facts.title == "other"
    assert study("seeds = [0, 1]").facts.title == "mine"


def test_a_baseline_that_settings_leave_out_is_said_and_the_first_takes_its_place():
    given = study(PLAIN + '[study]\nbaseline = "residual, dropout 0.1"')
    arms = given.expanded({"scheme.name": "bdia"})

    assert given.left_out(given.expanded()) == ""
    assert given.left_out(arms) == (
        "the baseline 'residual, dropout 0.1' is not among these arms: differences are to "
        "'bdia grid_bits 9, dropout 0'"
    )


def test_arms_whose_long_names_are_cut_alike_stay_apart():
    names = [f"{'x' * 90}{n}" for n in range(2)]
    own = '[model]\narchitecture = "python"\n'
    functions = [f"package:{name}" for name in names]
    arms = study(f'{own}[vary]\n"model.function" = {functions}').expanded()

    assert len({arm.name for arm in arms}) == 2
    assert max(len(arm.name) for arm in arms) <= 80


def test_one_choice_that_cannot_be_planned_hides_no_other_from_a_look():
    floats = PLAIN.replace("grid_bits = 9", 'grid_bits = "none"')
    found = study(floats).models({"model.depth": 24, "seeds": 0})

    assert [isinstance(each, Plan) for each in found] == [True, True, False, False]
    assert [each.name for each in found[2:]] == [
        "bdia grid_bits none, dropout 0",
        "bdia grid_bits none, dropout 0.1",
    ]
    assert "float bdia loses its activations" in str(found[2].error)
    with pytest.raises(ProfileError, match="patch 3 does not divide"):
        study(PLAIN).models({"model.patch": 3})


def test_models_of_arms_are_called_after_their_arms():
    found = study(ARMS).models({"seeds": 0})

    assert [each.name for each in found] == ["mine-plain", "mine-two-streams"]


def test_to_be_looked_at_arms_that_settings_level_are_one():
    levelled = study(ARMS).models({"scheme.name": "momentum", "seeds": 0})

    assert [each.scheme.name for each in levelled] == ["momentum"]


def test_profiles_and_studies_are_found_alike_and_listed_for_what_they_are():
    Path("mine.toml").write_text(ARMS, encoding="utf-8")
    Path("grid.toml").write_text(PLAIN, encoding="utf-8")
    Path("plain.toml").write_text('title = "a profile"', encoding="utf-8")
    Path("pyproject.toml").write_text('[project]\nname = "other"', encoding="utf-8")

    profiles = [(e.name, e.own) for e in search_path.profiles()]
    swept = [(e.name, e.own) for e in search_path.studies()]
    assert profiles[:3] == [("grid", True), ("mine", True), ("plain", True)]
    assert swept[:2] == [("grid", True), ("mine", True)]
    assert {own for _, own in profiles[3:] + swept[2:]} == {False}
    assert {"demo", "circles"} <= {name for name, _ in swept}
    assert search_path.find("circles").arms, "a shipped study by the name of a profile"


@pytest.mark.parametrize("path", SEARCHES, ids=lambda p: p.stem)
def test_a_shipped_search_states_its_facts_and_can_draw_every_extreme(path):
    shipped = studies.load(path)
    facts, runs = shipped.facts, possible(shipped)

    assert all((facts.title, facts.source, facts.expected, facts.time, facts.hardware))
    assert len(runs) == len(list(search_of(shipped).corners()))
    with pytest.raises(ProfileError, match="draws its runs one after the other"):
        shipped.expanded()


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


def test_where_a_run_is_computed_is_not_in_its_digest():
    tables = [{"batch": 64}, {"batch": 64, "device": "cuda:1"}]
    here, there = (Plan.model_validate({"name": "n", "train": t}) for t in tables)

    assert there.digest() == here.digest() == here.past_digest()
    assert there.where != here.where


def test_arms_that_differ_in_nothing_but_where_they_are_computed_are_refused():
    Path("devices.toml").write_text('[vary]\ntrain.device = ["cpu", "cuda"]\n', encoding="utf-8")

    with pytest.raises(ProfileError, match="nothing that decides a result differs; leave one out"):
        studies.load(Path("devices.toml")).plans()


def test_kinds_of_a_section_have_digests_of_their_own_even_at_their_defaults():
    names = ["residual", "additive", "momentum", "bdia", "midpoint", "leapfrog", "hamiltonian"]
    made = [Plan.model_validate({"name": "a", "scheme": {"name": n}}).digest() for n in names]
    timm = Plan.model_validate({"name": "a", "model": {"architecture": "timm"}}).digest()

    assert len({*made, timm}) == len(names) + 1
