"""The samples screen: what a plan trains on, before the launch and from a run, in colour and without."""

import re
from pathlib import Path

import pytest

from revconsole.console.screens.samples import SamplesScreen
from revconsole.console.widgets.gallery import Gallery
from revconsole.console.widgets.setting import SettingList
from revconsole.lab.pictures import RAMP, UPPER
from revconsole.lab.torch_api import training
from revconsole.records.datasets.facts import data_folder
from revconsole.records.settings.plan import Plan


def plan_of(**data) -> Plan:
    return Plan.model_validate(
        {"name": "looked-at", "model": {"architecture": "vit", "patch": 1}, "data": data}
    )


@pytest.fixture(scope="module", autouse=True)
def _torch_is_loaded():
    """Once, and not while a test waits for it."""
    training.samples(plan_of(), data=data_folder(), count=1, side=8)


async def looked_at(stage, plan, *texts):
    """Open the screen on a plan and wait until the pictures are there."""
    await stage.shows("No runs yet")
    stage.app.push_screen(SamplesScreen(plan))
    return await stage.shows(*(texts or ("as stored",)))


def pictures(stage, name):
    """The characters of a row of pictures, without captions."""
    lines = stage.app.screen.query_one(f"#{name}", Gallery)._lines[:-1]
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
async def test_the_launch_form_shows_the_images_it_would_train_on(opened, width, height):
    async with opened(width, height) as stage:
        await stage.shows("No runs yet")
        await stage.press("n")
        await stage.shows("launches", *["^o Samples"] * (width > 80))
        await stage.press("ctrl+o")
        text = await stage.shows("as stored", "as trained on", "482edad39ce3")
        assert "images 1–" in text
        assert UPPER in text
        assert "esc Back" in text
        assert max(len(line) for line in text.splitlines()) <= width
        await stage.press("escape")
        await stage.shows("launches")


async def test_a_form_that_is_not_ready_has_no_samples(opened):
    async with opened() as stage:
        await stage.shows("No runs yet")
        await stage.press("n")
        await stage.shows("launches")
        stage.app.screen.query_one(SettingList).choose("model.patch", "nothing")
        await stage.shows("not ready")
        await stage.press("ctrl+o")
        await stage.shows("no samples, patch: should be a whole number")


async def test_a_run_shows_what_it_trains_on(opened, recorder):
    run_id = recorder.finished("one-run")
    async with opened(runs=[run_id]) as stage:
        await stage.shows("finished")
        await stage.press("v")
        await stage.shows("samples · digits", "one-run", "as stored")


async def test_a_key_shows_other_samples_and_another_the_ones_before(opened):
    async with opened() as stage:
        await looked_at(stage, plan_of(), "images 1–4 of 1,293 of epoch 1")
        first = stage.line("images"), pictures(stage, "before"), captions(stage)
        await stage.press("n")
        await stage.shows("images 5–8 of")
        assert captions(stage) != first[2]
        await stage.press("p")
        await stage.shows("images 1–4 of")
        assert (stage.line("images"), pictures(stage, "before"), captions(stage)) == first
        await stage.press("p")
        await stage.shows("images 1–4 of")


async def test_turning_goes_on_beyond_what_was_read_and_back(opened):
    async with opened() as stage:
        await looked_at(stage, plan_of(), "images 1–4 of")
        await stage.press(*["n"] * 12)
        await stage.shows("images 49–52 of")
        await stage.press("p")
        await stage.shows("images 45–48 of")


async def test_keys_that_come_while_images_are_read_act_once_they_are_there(opened):
    async with opened() as stage:
        await stage.shows("No runs yet")
        stage.app.push_screen(SamplesScreen(plan_of()))
        await stage.press_at_once(*["n"] * 14, "p")
        await stage.shows("images 53–56 of")


async def test_augmentation_shows_in_the_second_row_only(opened):
    async with opened() as stage:
        plain = plan_of(standardise="none")
        await looked_at(stage, plain, "not augmented")
        assert drawn(stage, "before") == drawn(stage, "after")
        await stage.press("escape")
        await looked_at(stage, plan_of(standardise="none", rotation=40.0), "rotation 40")
        assert drawn(stage, "before") != drawn(stage, "after")


async def test_every_fact_is_a_key_away(opened):
    async with opened() as stage:
        text = await looked_at(stage, plan_of(), "10 classes, 125 to 131 each")
        assert "deviation per channel" not in text
        await stage.press("f")
        await stage.shows("training images", "8 125", "deviation per channel", "0.3761")


async def test_without_colour_brighter_is_denser(opened, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened() as stage:
        text = await looked_at(stage, plan_of(), "as stored", "482edad39ce3")
        assert UPPER not in text
        assert set("".join(pictures(stage, "before"))) <= set(RAMP)
        assert "@" in "".join(pictures(stage, "before"))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 45)])
@pytest.mark.parametrize("colour", [True, False])
async def test_points_are_a_scatter_of_both_classes(opened, monkeypatch, width, height, colour):
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    points = Plan.model_validate({
        "name": "points", "model": {"architecture": "mlp"}, "data": {"dataset": "circles"},
    })  # fmt: skip
    async with opened(width, height) as stage:
        text = await looked_at(stage, points, "training points", "as trained on")
        line = stage.line("as stored")
        assert "as trained on" in line, "both stand beside each other"
        assert "bright" in text
        assert len(pictures(stage, "before")) >= 15


async def test_data_that_is_not_there_is_one_sentence_on_what_to_do(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nowhere"))
    async with opened() as stage:
        text = await looked_at(stage, plan_of(dataset="cifar10"), "not read", "put ")
        assert "cifar-10" in text
        assert "Traceback" not in text
        assert stage.app.is_running


async def test_a_file_put_in_its_place_is_read_with_a_key(opened, tmp_path):
    folder = tmp_path / "mine"
    plan = plan_of(dataset="imagefolder", folder=str(folder), image_size=8)
    async with opened() as stage:
        await looked_at(stage, plan, "not read")
        image_folder(folder)
        await stage.press("r")
        await stage.shows("as stored")


async def test_names_of_classes_are_text(opened, tmp_path):
    folder = tmp_path / "mine"
    image_folder(folder, names=("[bold]x[-]", "b\x1b]0;y\x07"))
    async with opened(160, 45) as stage:
        text = await looked_at(
            stage, plan_of(dataset="imagefolder", folder=str(folder), image_size=8), "[bold]x[-]"
        )
        assert not re.search("[\x1b\x07]", text)
        assert "b�]0;y�" in text


def image_folder(folder: Path, names=("cats", "dogs")):
    from PIL import Image

    for number, name in enumerate(names):
        for part, count in (("train", 8), ("test", 2)):
            place = folder / part / name
            place.mkdir(parents=True)
            for n in range(count):
                Image.new("RGB", (8, 8), (number * 100, 20 * n, 90)).save(place / f"{n}.png")


def captions(stage):
    return "".join(s.text for s in stage.app.screen.query_one("#before", Gallery)._lines[-1])


def drawn(stage, name):
    """Characters and colours of a row of pictures."""
    lines = stage.app.screen.query_one(f"#{name}", Gallery)._lines
    return [[(s.text, str(s.style)) for s in line] for line in lines]
