"""The launch form: prefilled, judged as one types, and it launches what it says."""

import asyncio
import time
from pathlib import Path

import pytest

from revconsole.console.remedies import on_one_line
from revconsole.console.widgets.setting import LineField, SettingList


async def open_form(stage, profile="small"):
    await stage.shows("No runs yet")
    await stage.press("n")
    await stage.shows("launches")
    form(stage).choose("profile", profile)
    await stage.shows("launches", f"train {profile}")


def form(stage) -> SettingList:
    return stage.app.screen.query_one(SettingList)


def value(stage, label):
    """The first word behind a label; empty if there is none."""
    return (stage.line(label).split(label)[1].split() or [""])[0]


async def typed(stage, key, text):
    """As a paste would."""
    form(stage).go(key)
    await stage.pilot.pause()
    stage.app.screen.query_one(LineField).value = text


async def chosen(stage, key, value):
    form(stage).choose(key, value)
    await stage.pilot.pause()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_the_form_is_filled_from_the_profile(opened, width, height):
    async with opened(width, height) as stage:
        await open_form(stage)
        for label, value in (("dim", "16"), ("depth", "2"), ("dataset", "digits"), ("batch", "32")):
            assert value in stage.line(f" {label} ")
        assert "revconsole train small" in stage.text


async def test_a_wrong_value_is_answered_beside_its_field(opened):
    async with opened() as stage:
        await open_form(stage)
        form(stage).go("model.patch")
        await stage.press("backspace", "3")
        await stage.shows("patch 3 does not divide")
        assert "does not divide" in stage.line(" patch ")
        await typed(stage, "model.patch", "ab")
        await stage.shows("should be a whole number")
        await typed(stage, "model.patch", "4")
        await stage.shows("launches 1 run", "revconsole train small model.patch=4")


async def test_gamma_is_off_for_residual_and_on_for_momentum(opened):
    async with opened() as stage:
        await open_form(stage)
        assert "not for scheme residual" in stage.line(" gamma ")
        assert "–" in stage.line(" gamma ")
        await chosen(stage, "scheme.name", "momentum")
        await stage.until(lambda: "0.9" in stage.line(" gamma "))
        await stage.shows("scheme.name=momentum", "launches 1 run")
        assert "reversible" in stage.line(" backward ")


async def test_what_was_typed_into_a_field_that_is_off_does_not_count(opened):
    async with opened() as stage:
        await open_form(stage)
        await chosen(stage, "scheme.name", "momentum")
        await stage.shows("launches 1 run", "scheme.name=momentum")
        await typed(stage, "scheme.gamma", "0.5")
        await stage.shows("scheme.gamma=0.5")
        await chosen(stage, "scheme.name", "additive")
        await stage.shows("launches 1 run", "train small scheme.name=additive")
        assert "gamma=" not in stage.text
        await chosen(stage, "scheme.name", "momentum")
        await stage.shows("launches 1 run", "train small scheme.name=momentum")
        await stage.until(lambda: "0.9" in stage.line(" gamma "))
        assert "gamma=" not in stage.text


async def test_a_reversible_backward_of_residual_is_refused_beside_backward(opened):
    async with opened() as stage:
        await open_form(stage)
        await chosen(stage, "backward", "reversible")
        await stage.shows("has no inverse")
        assert "scheme 'residual'" in stage.line(" backward ")


async def test_lists_make_several_runs_and_the_form_says_how_many(opened):
    async with opened() as stage:
        await open_form(stage, "four")
        await stage.shows("launches 4 runs", "each: residual")
        await typed(stage, "train.epochs", "[1,2]")
        await stage.shows("launches 8 runs", "'train.epochs=[1,2]'")


async def test_other_settings_are_taken_from_a_free_line(opened):
    async with opened() as stage:
        await open_form(stage)
        await typed(stage, "other", "seeds=[0,1,2] train.accumulate=2")
        await stage.shows("launches 3 runs", "train small 'seeds=[0,1,2]' train.accumulate=2")
        await typed(stage, "other", "nonsense")
        await stage.shows("is not a setting")


async def test_parameters_are_counted_before_the_launch(opened):
    async with opened() as stage:
        await open_form(stage)
        await stage.shows("launches 1 run · 7,130 parameters")
        await typed(stage, "model.depth", "[1,2]")
        await stage.shows("launches 2 runs · 3,850 to 7,130 parameters")


async def test_the_command_is_copied(opened):
    async with opened() as stage:
        await open_form(stage)
        await stage.press("ctrl+y")
        await stage.shows("copied the command")
        assert stage.app.clipboard == "revconsole train small"
        await chosen(stage, "launcher", "process")
        await stage.shows("revconsole train small --detach")


async def test_the_form_launches_and_shows_the_run_to_its_end(opened, lab):
    async with opened(160, 45) as stage:
        await open_form(stage)
        await stage.press("ctrl+l")
        await stage.shows("memory", "facts")
        await stage.until(lambda: lab.store.list() and lab.store.list()[0].state == "finished")
        await stage.shows("✓ finished", "test ")
        await stage.until(lambda: not lab.busy())


async def test_an_unready_form_does_not_launch(opened, lab):
    async with opened() as stage:
        await open_form(stage)
        await typed(stage, "model.heads", "5")
        await stage.shows("heads do not divide")
        await stage.press("home", "ctrl+l")
        await stage.shows("nothing launched, heads: 5 heads do not divide")
        assert form(stage).at_hand.key == "model.heads"
        assert lab.store.list() == ()


async def test_a_field_that_was_found_stays_at_hand_while_another_setting_is_wrong(opened):
    async with opened() as stage:
        await open_form(stage)
        await typed(stage, "model.heads", "5")
        await stage.shows("not ready, heads: 5 heads do not divide", "cost is unknown while")
        await typed(stage, "find", "weight decay")
        await stage.press("down")
        here = form(stage).at_hand.key
        assert here not in {"find", "model.heads"}
        await stage.press("1")
        await stage.until(lambda: not stage.app.screen.pending)
        assert (form(stage).text("find"), form(stage).at_hand.key) == ("weight decay", here)
        await stage.press("ctrl+l")
        await stage.shows("nothing launched")
        assert form(stage).at_hand.key == "model.heads"


async def test_the_keys_shown_over_a_text_field_are_those_that_act_there(opened):
    async with opened() as stage:
        await open_form(stage)
        form(stage).go("scheme.name")
        await stage.shows("? Help q Quit")
        form(stage).go("train.epochs")
        await stage.shows("f1 Help ^p Find ^q Quit")
        assert "? Help" not in stage.text
        await stage.press("f1")
        await stage.shows("Launch the runs of the form")


TWO = """
[vary]
scheme = [{ name = "residual" }, { name = "bdia" }]
"""


@pytest.fixture
def two(lab):
    """Beside `four` a profile of other schemes."""
    small = Path("profiles/small.toml").read_text()
    Path("profiles/two.toml").write_text(small + TWO)
    Path("profiles/one-bdia.toml").write_text(small + '[scheme]\nname = "bdia"\n')


@pytest.fixture
def wrong(two):
    Path("profiles/wrong.toml").write_text("[model]\npatch = 5\n")


@pytest.mark.usefixtures("two")
async def test_a_menu_names_what_the_profile_shown_varies_and_no_other(opened):
    async with opened(120, 40) as stage:
        await open_form(stage, "four")
        await stage.until(lambda: "each: residual, addi" in stage.line(" scheme "))
        await chosen(stage, "profile", "two")
        await stage.shows("launches 2 runs")
        assert "each: residual, bdia" in stage.line(" scheme ")
        await chosen(stage, "profile", "four")
        await stage.shows("launches 4 runs")
        assert "each: residual, addi" in stage.line(" scheme ")


@pytest.mark.usefixtures("two")
async def test_a_field_that_nobody_changed_is_not_on_the_command_line(opened):
    async with opened(120, 40) as stage:
        await open_form(stage, "four")
        for profile in ("one-bdia", "two", "small", "four", "small"):
            await chosen(stage, "profile", profile)
            await stage.until(lambda p=profile: stage.line("revconsole train").split()[2:] == [p])


@pytest.mark.usefixtures("two")
async def test_a_field_is_explained_for_the_kind_that_there_is(opened):
    async with opened(160, 45) as stage:
        await open_form(stage, "one-bdia")
        form(stage).go("scheme.gamma")
        await stage.shows("scheme.gamma · ", "Size g of the random ±g")
        await chosen(stage, "scheme.name", "momentum")
        await stage.shows("Share of the velocity", "launches 1 run")
        assert "random ±g" not in stage.text
        await chosen(stage, "profile", "two")
        await typed(stage, "other", "scheme.name=[momentum,bdia]")
        form(stage).go("scheme.gamma")
        await stage.shows("launches 2 runs", "random ±g", "Share of the velocity")


@pytest.mark.usefixtures("wrong")
async def test_values_of_another_profile_are_not_shown_beside_one_that_is_wrong(opened):
    async with opened(120, 40) as stage:
        await open_form(stage, "one-bdia")
        await chosen(stage, "profile", "wrong")
        await stage.shows("not ready")
        for label in (" scheme ", " dataset ", " backward "):
            assert value(stage, label) == "–"
        assert value(stage, " epochs ") != "2"


async def open_form_on(stage, name):
    await stage.shows(name)
    await stage.press("n")
    return await stage.shows("launches", f"as run {name}")


async def test_a_form_opened_on_a_run_has_its_settings_and_says_in_what_they_are_unlike_its_profile(
    opened, lab
):
    plan = lab.plan("four", {"model.depth": 6, "seeds": [3]}).plans[-1]
    plan = plan.model_copy(update={"name": "mine"})
    lab.store.create(plan, {})
    async with opened(120, 40) as stage:
        text = await open_form_on(stage, "mine")
        assert "launches 1 run" in text
        assert "6" in stage.line(" depth ").split()
        assert "bdia" in stage.line(" scheme ").split()
        said = " ".join(text.split())
        assert "unlike profile four in model.depth 6 (there 2), seed 3 (there 0)" in said
        assert "train four scheme.name=bdia model.depth=6" in said
        assert "seeds=[3]" in said.replace("'", "")
        (planned,) = stage.app.screen._draft.planned.plans
        assert planned.digest() == plan.digest()
        await typed(stage, "model.depth", "4")
        await stage.shows("model.depth=4")
        (planned,) = stage.app.screen._draft.planned.plans
        deeper = plan.model_copy(update={"model": plan.model.model_copy(update={"depth": 4})})
        assert (planned.name, planned.digest()) == ("mine-depth4", deeper.digest())
        await chosen(stage, "profile", "small")
        await stage.hides("unlike profile")
        await stage.shows("revconsole train small")


async def test_what_a_form_on_a_run_launches_is_that_run(opened, lab):
    plan = lab.plan("small", {"train.epochs": 1, "optimizer.learning_rate": 0.02}).plans[0]
    run_id = lab.store.create(plan.model_copy(update={"name": "mine"}), {})
    async with opened(120, 40, runs=[run_id]) as stage:
        await stage.shows("mine", "facts")
        await stage.press_at_once("n", "ctrl+l")
        await stage.until(lambda: len(lab.store.list()) == 2)
        assert {run.plan.digest() for run in lab.store.list()} == {plan.digest()}
        await stage.until(lambda: not lab.busy())


@pytest.mark.parametrize(
    ("profile", "said"),
    [("gone", "its profile 'gone' does not exist any more"), ("", "settings of run mine")],
)
async def test_a_run_whose_profile_is_gone_can_be_launched_and_has_no_command(
    opened, lab, profile, said
):
    plan = lab.plan("small").plans[0].model_copy(update={"name": "mine", "profile": profile})
    run_id = lab.store.create(plan, {})
    async with opened(120, 40) as stage:
        text = await open_form_on(stage, "mine")
        assert f"settings of run mine ({run_id}" in text
        assert said in text
        assert "''" not in text
        assert "no command line makes exactly these runs" in text
        await stage.hides("Copy command")
        await stage.press("ctrl+y")
        assert not stage.app.clipboard


@pytest.fixture
def odd(opened):
    Path("profiles/odd.toml").write_text("[model]\ndim = 16\nheads = 3\n")


@pytest.mark.usefixtures("odd")
async def test_a_run_whose_profile_makes_no_runs_any_more_says_what_is_wrong_with_it(opened, lab):
    plan = lab.plan("small").plans[0].model_copy(update={"name": "mine", "profile": "odd"})
    lab.store.create(plan, {})
    async with opened(120, 40) as stage:
        text = " ".join((await open_form_on(stage, "mine")).split())
        assert "its profile 'odd' is not valid any more" in text
        assert "3 heads do not divide dim 16" in text


async def test_epochs_are_not_shown_where_steps_say_how_long_a_run_is(opened, lab):
    plan = lab.plan("small", {"train.steps": 7}).plans[0]
    lab.store.create(plan.model_copy(update={"name": "mine"}), {})
    async with opened(160, 45) as stage:
        await open_form_on(stage, "mine")
        form(stage).go("train.epochs")
        await stage.shows("train.steps (7) says how long")
        assert value(stage, "▸ epochs ") == "train.steps"


RESTING = """
import time
from torch import nn

class Resting(nn.Linear):
    def forward(self, images):
        time.sleep(0.05)
        return super().forward(images.flatten(1))

def model(size, channels, classes):
    return Resting(size * size * channels, classes)
"""
"""Takes its time, and no processor."""
RESTS = """
[model]
architecture = "python"
function = "resting:model"
[data]
dataset = "digits"
train_limit = 64
[train]
epochs = 100000
batch = 32
threads = 1
audit = false
"""


@pytest.fixture
def rests(lab):
    """A profile of a run that does not end by itself."""
    Path("resting.py").write_text(RESTING)
    Path("profiles/rests.toml").write_text(RESTS)


async def train_for_long(stage, lab):
    """Launch one."""
    await open_form(stage, "rests")
    await stage.shows("launches 1 run")
    await stage.press("ctrl+l")
    await stage.until(lambda: lab.store.list() and lab.store.list()[0].state == "running")


@pytest.mark.usefixtures("rests")
async def test_quitting_while_a_run_trains_asks_and_stops_it(opened, lab):
    async with opened() as stage:
        await train_for_long(stage, lab)
        await stage.press("q")
        await stage.shows("1 run trains in this console", "Stop after this step [s]")
        await stage.press("escape")
        await stage.hides("1 run trains in this console")
        assert lab.busy()
        await stage.press("q", "y")
        await stage.until(lambda: not lab.busy())
        assert lab.store.list()[0].state == "stopped"
        await stage.until(lambda: not stage.app.is_running)
        assert stage.app.return_code == 0


@pytest.mark.usefixtures("rests")
async def test_quitting_may_leave_the_run_to_a_background_process(opened, lab):
    async with opened() as stage:
        await train_for_long(stage, lab)
        await stage.press("q")
        await stage.shows("Continue in the background [b]", "Stop now, without a checkpoint [x]")
        await stage.press("b")
        await stage.until(lambda: not stage.app.is_running)
    (run,) = lab.store.list()
    assert not run.ended
    assert not lab.busy()
    lab.stop(run.id)
    end = time.monotonic() + 90  # a process that has just begun loads torch before it listens
    while lab.store.list()[0].state != "stopped":
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("rests")
async def test_quitting_at_once_records_the_stop(opened, lab):
    async with opened() as stage:
        await train_for_long(stage, lab)
        await stage.press("q", "x")
        await stage.until(lambda: not stage.app.is_running)
    assert lab.store.list()[0].state == "stopped"
    assert lab.store.list()[0].reason.endswith("(quit the console)")


@pytest.mark.usefixtures("rests")
async def test_a_key_moves_a_run_to_the_background(opened, lab):
    async with opened() as stage:
        await train_for_long(stage, lab)
        await stage.press("d")
        await stage.until(lambda: not lab.busy())
        assert not lab.store.list()[0].ended
        await stage.press("q")
        await stage.until(lambda: not stage.app.is_running)
    lab.stop(lab.store.list()[0].id)


async def test_what_to_expect_of_the_reconstruction_is_said_before_the_launch(opened):
    async with opened() as stage:
        await open_form(stage)
        assert "reconstruction" not in stage.text
        await chosen(stage, "scheme.name", "momentum")
        await stage.shows("reconstruction: error grows to about 2e-07")
        await typed(stage, "scheme.gamma", "0.5")
        await typed(stage, "model.depth", "48")
        await stage.shows("float momentum loses", "grid_bits = 9")


async def test_of_several_runs_the_worst_reconstruction_is_said(opened):
    async with opened() as stage:
        await open_form(stage, "four")
        await stage.shows("reconstruction, worst of 4 runs: error grows", "momentum 0.9")


TIMM = "scheme.name=residual model.architecture=timm data.image_size=28"
TORCH_SECONDS = 300.0
"""For a process to load torch, on a machine that has much else to do."""


async def told(stage, *texts):
    end = time.monotonic() + TORCH_SECONDS
    while not all(text in stage.text for text in texts):
        assert time.monotonic() < end, f"it was not told; the screen says\n{stage.text}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "cases",
    [
        [
            (f"{TIMM} model.name=vit_tny", "there is no timm model 'vit_tny'"),
            (f"{TIMM} model.name=test_vit model.weights=gone.pth", "there is no weights file"),
            ("data.train_limit=5", "holds out 0 of 5"),
        ],
        [
            ("train.device=cuda:9", "there is no device 'cuda:9'"),
            ("train.precision=fp16", "fp16 needs a GPU"),
            (f"{TIMM} model.name=vit_tiny_patch16_224", "sees 16 of 28 rows"),
        ],
    ],
    ids=["without torch", "with torch"],
)
async def test_runs_that_cannot_be_are_red_and_not_launched(opened, cases):
    """The same sentence as of `train`; nothing is created, and the form is still there."""
    async with opened(160, 45) as stage:
        await open_form(stage)
        for settings, said in cases:
            await typed(stage, "other", settings)
            await told(stage, "not ready", said)
            await stage.press("ctrl+l")
            await told(stage, "nothing launched", said)
        assert not stage.app.screen.reader.lab.store.list()


async def test_a_run_that_cannot_be_trained_holds_up_no_other_of_the_form(opened, lab):
    async with opened(160, 45) as stage:
        await open_form(stage)
        await typed(stage, "other", "train.precision=[float32,fp16]")
        await told(stage, "launches 1 run", "left out: fp16, seed 0: ", "fp16 needs a GPU")
        await stage.press("ctrl+l")
        await stage.until(lab.store.list)
        assert [run.plan.train.precision for run in lab.store.list()] == ["float32"]
        await stage.until(lambda: not lab.busy())


async def test_keys_do_not_wait_while_a_model_is_looked_at(opened):
    """What is typed meanwhile is judged in its turn; what was asked before is of no matter."""
    async with opened(160, 45) as stage:
        await open_form(stage)
        await typed(stage, "other", f"{TIMM} model.name=vit_tiny_patch16_224")
        await told(stage, "checking the model")
        await typed(stage, "other", "train.epochs=3")
        await told(stage, "launches 1 run", "revconsole train small train.epochs=3")
        assert "looking" not in stage.text
        assert "sees" not in stage.text


@pytest.mark.parametrize(
    ("sentence", "width", "line"),
    [
        (
            "! the rate 1 is far from usual (Goyal et al. 2017): lr=0.1",
            40,
            "! the rate 1 is far from usual (… lr=0.1",
        ),
        ("! short: lr=0.1", 40, "! short: lr=0.1"),
        ("! odd: a remedy that takes nearly all of the line", 30, "! odd: a remed…all of the line"),
    ],
)
def test_a_sentence_on_one_line_keeps_the_setting_to_change(sentence, width, line):
    assert on_one_line(sentence, width) == line
    assert len(line) <= width


async def test_what_is_odd_of_the_settings_is_said_while_one_types(opened):
    async with opened(80, 24) as stage:
        await open_form(stage)
        await typed(stage, "optimizer.learning_rate", "0.5")
        await stage.shows("! the learning rate 0.5 is", "optimizer.learning_rate=0.001")
        assert (
            len([line for line in stage.text.splitlines() if line.startswith((" ! ", " · "))]) <= 2
        )
        await stage.pilot.resize_terminal(160, 45)
        await stage.shows("→ optimizer.learning_rate=0.001")
        await typed(stage, "optimizer.learning_rate", "0.001")
        await stage.until(lambda: "the learning rate 0.5" not in stage.text)
