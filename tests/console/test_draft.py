"""What the launch form knows, without a screen: what is typed, what is unknown until it is judged, what is launched."""

from pathlib import Path

import pytest

from revconsole.console import form, form_rows, origin
from revconsole.console.draft import Draft
from revconsole.errors import DataUnavailable, DeviceUnavailable, ProfileError, UnknownName
from revconsole.lab.format import UNKNOWN
from revconsole.lab.lab import Lab


@pytest.fixture
def draft():
    return Draft("demo")


@pytest.fixture
def lab(tmp_path: Path):
    return Lab(tmp_path)


def field(draft, key):
    return next(each for each in draft.fields if each.key == key)


def judged(draft, lab, other=""):
    """Judge the form as the screen does, and show all of it."""
    draft.judge(origin.judge(lab, draft.profile, None, draft.settings(other)), final=True)
    return {each.key: draft.shown(each) for each in draft.fields}


def test_a_form_is_pending_until_it_is_judged(draft, lab):
    assert draft.pending
    judged(draft, lab)
    assert not draft.pending
    draft.change("model.depth", "3")
    assert draft.pending


def test_only_what_was_typed_is_a_setting(draft, lab):
    judged(draft, lab)
    draft.change("model.depth", "3")

    assert draft.settings("train.clip=none") == {"model.depth": 3, "train.clip": "none"}
    assert judged(draft, lab)["model.depth"].text is None, "what was typed is let stand"
    assert "model.depth=3" in draft.command


def test_another_profile_forgets_what_was_typed_and_nothing_is_known_of_any_field(draft, lab):
    judged(draft, lab)
    draft.change("model.depth", "3")

    assert draft.change(form.PROFILE, "bdia-vit-cifar10") == draft.fields
    assert draft.settings("") == {}
    assert draft.options(field(draft, "scheme.name"))[0] == (UNKNOWN, form.AS_PROFILE)


def test_a_menu_that_decides_a_kind_leaves_the_rest_of_its_section_unknown_but_what_was_typed(
    draft, lab
):
    judged(draft, lab)
    draft.change("model.depth", "3")
    unknown = draft.change("model.architecture", "cct")

    keys = {each.key for each in unknown}
    assert {"model.heads", "model.dim"} <= keys
    assert not keys & {"model.depth", "model.architecture", "scheme.name"}


def test_a_field_that_does_not_apply_says_why_and_is_not_launched(draft, lab):
    judged(draft, lab)
    draft.change("scheme.gamma", "0.5")
    draft.change("scheme.name", "residual")

    assert draft.shown(field(draft, "scheme.gamma")).off == "not for scheme residual"
    assert draft.settings("") == {"scheme.name": "residual"}


def test_a_setting_that_the_profile_varies_can_be_left_so_again(draft, lab):
    shown = judged(draft, lab)["scheme.name"]
    assert shown.text == form.AS_PROFILE
    assert shown.options[0][0].startswith("each: residual")

    draft.change("scheme.name", "bdia")
    assert judged(draft, lab)["scheme.name"].options == shown.options


def test_what_is_wrong_names_its_field_or_the_free_line(draft):
    draft.judge(ProfileError("command line", "train.epochs", "should be a number"), final=True)
    assert draft.problem == "epochs: should be a number"

    error = ProfileError("command line", "vary.nothing", "is no setting")
    draft.judge(error, final=True)
    assert draft.problem == "vary.nothing: is no setting"
    assert draft.wrong(error) == (form.OTHER, "vary.nothing: is no setting")


def test_a_launch_waits_for_the_judgement_of_exactly_this_form(draft, lab):
    typed = {"model.depth": "3"}
    draft.change("model.depth", "3")
    draft.launch_once_judged(typed)
    assert not draft.take_awaited(), "it is not judged yet"
    judged(draft, lab)
    assert draft.take_awaited()
    assert not draft.take_awaited(), "it is launched once"

    draft.change("model.depth", "4")
    draft.launch_once_judged(typed)
    draft.forget_unless({"model.depth": "4"})
    judged(draft, lab)
    assert not draft.take_awaited()


def test_fields_that_changed_after_the_judgement_have_still_to_be_heard(draft, lab):
    judged(draft, lab)
    draft.judged_as({"model.depth": "4", "model.dim": "48"})

    assert draft.unheard({"model.depth": "4", "model.dim": "32"}) == ["model.dim"]


def test_the_row_that_is_typed_into_is_shown_even_if_its_text_is_deleted(draft, lab):
    judged(draft, lab)
    rest = "train.accumulate"
    assert rest not in form_rows.shown(draft, "", ())
    draft.change(rest, "2")
    assert rest in form_rows.shown(draft, "", ())
    draft.change(rest, "")

    assert rest in form_rows.shown(draft, "", (), rest)
    assert rest not in form_rows.shown(draft, "", (), "train.epochs")


def test_a_find_names_the_setting_called_so_first_and_says_that_there_is_none(draft, lab):
    judged(draft, lab)

    assert form_rows.shown(draft, "seed", ())[1] == "seeds"
    assert form_rows.shown(draft, "learning rate", ())[1] == "optimizer.learning_rate"
    assert "no setting is called 'zzz'" in form_rows.found(draft, "zzz")
    assert "settings found" in form_rows.found(draft, "seed")


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (DataUnavailable("CIFAR-10 is not on this machine"), "data.dataset"),
        (DataUnavailable("there is no weights file x; correct model.weights"), "model.weights"),
        (DeviceUnavailable("there is no cuda:7"), "train.device"),
        (UnknownName("profile", "dmo", ["demo"]), "profile"),
    ],
)
def test_what_is_missing_on_this_machine_is_said_of_the_setting_that_names_it(draft, error, key):
    draft.change("model.architecture", "timm")
    assert draft.wrong(error)[0] == key


def test_a_list_of_kinds_is_a_choice_of_each(draft, lab):
    draft.change("scheme.name", "[residual, momentum]")
    judged(draft, lab)
    assert [plan.scheme.name for plan in draft.planned.plans] == ["residual", "momentum"]
    assert draft.applies(field(draft, "scheme.gamma"))


def test_a_list_without_its_end_says_so(draft):
    draft.change("train.batch", "[16, 32")
    with pytest.raises(ProfileError, match="a list ends with"):
        draft.settings("")


def test_a_wrong_form_shows_the_values_that_it_had_until_another_kind_is_chosen(draft, lab):
    judged(draft, lab)
    ratio = field(draft, "model.mlp_ratio")
    draft.change("model.patch", "x")
    draft.judge(ProfileError("form", "model.patch", "no"), final=True)
    assert draft.shown(ratio).text == "2"
    draft.change("model.architecture", "conformer")
    assert draft.shown(ratio).text is None


def test_settings_unlike_the_defaults_are_shown_where_there_is_room(draft, lab):
    judged(draft, lab)
    assert "train.threads" in draft.unusual
    assert "train.accumulate" not in draft.unusual
    closed = form_rows.shown(draft, "", ())
    roomy = form_rows.shown(draft, "", (), room=60)
    assert "train.threads" not in closed
    assert set(roomy) - set(closed) == draft.unusual - set(closed)
