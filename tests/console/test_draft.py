"""What the launch form knows, without a screen: what is typed, what is unknown until it is judged, what is launched."""

from pathlib import Path

import pytest

from revconsole.console import form, origin
from revconsole.console.draft import Draft
from revconsole.errors import ProfileError
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

    error = ProfileError("command line", "train.clip", "should be positive")
    draft.judge(error, final=True)
    assert draft.problem == "train.clip: should be positive"
    assert draft.wrong(error) == (form.OTHER, "train.clip: should be positive")


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


def test_parameters_are_asked_for_once_for_each_model(draft, lab):
    judged(draft, lab)
    assert draft.counted == ""
    shapes = list(draft.uncounted)
    draft.add_counts(dict.fromkeys(shapes, 1000))

    assert draft.counted == "1,000 parameters"
    assert draft.uncounted == {}
