"""The verb data: the list as before, samples drawn in 80 columns, and a pipeline that is measured."""

import json
import re
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from revconsole.cli import pictures
from revconsole.lab.pictures import RAMP, shaded
from revconsole.records.findings.samples import Picture

BLACK, GREY, WHITE, RED = (0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 0, 0)


def checked(*rows):
    return Picture(rows=tuple(tuple(row) for row in rows), caption="a caption that is too long")


def test_without_colour_a_picture_is_denser_where_it_is_brighter():
    lines = shaded(checked([BLACK, GREY, WHITE], [BLACK, GREY, WHITE], [WHITE] * 3).rows)
    assert lines[0][0] == " "
    assert lines[0][2] == "@"
    assert RAMP.index(lines[0][1]) in {4, 5}
    assert lines[1] == lines[1][0] * 3  # an odd last row is drawn over black
    assert lines[1][0] in "=+"


def test_in_colour_a_character_holds_the_upper_and_the_lower_pixel():
    (line,) = pictures.coloured(checked([RED], [GREY]))
    assert line == "\x1b[38;2;255;0;0;48;2;128;128;128m▀\x1b[0m"


def test_pictures_stand_beside_each_other_as_far_as_they_fit():
    wide = checked(*[[BLACK] * 18] * 18)
    lines = pictures.beside([wide] * 9, colour=False)
    assert max(map(len, lines)) <= 80
    assert len(lines) == 10
    assert lines[-1].count("a caption that is") == 4


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)],
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, variable, value, wanted):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    assert pictures.in_colour() is wanted
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert not pictures.in_colour()


def test_the_list_and_the_facts_of_one_are_what_they_were(run):
    listed = run("data")
    assert listed.code == 0
    assert "digits\tdigits\t10\t1,437+360\t8×8×1\tyes" in listed.out
    assert "needs data.folder" in listed.out
    assert "CC BY 4.0" in run("data", "digits").out
    (one,) = json.loads(run("data", "digits", "--json").out)
    assert one["classes"] == 10
    assert len(json.loads(run("data", "--json").out)) > 9


def test_samples_are_shown_before_and_after_with_balance_statistics_and_fingerprint(run):
    said = run("data", "show", "digits", "augment=crop", "crop_padding=1", "rotation=20")
    assert said.code == 0
    before, after = said.out.partition("as trained on")[::2]
    assert max(map(len, said.out.splitlines()[:14])) <= 80
    assert before.splitlines()[1:5] != after.splitlines()[1:5]
    assert "1,293: 0 128, 1 130" in said.out
    assert "mean per channel\t0.3055" in said.out
    assert "fingerprint\t482edad39ce3" in said.out
    assert (
        "what was read: digits: 1,797 images; 8×8 pixels, 1 channel, 10 classes; 1,293 to train on"
        in said.out
    )


def test_without_augmentation_the_images_are_shown_as_they_are(run):
    lines = run("data", "show", "digits", "standardise=none").out.splitlines()
    assert lines[1:6] == lines[8:13]
    assert len(set("".join(lines[1:5]))) > 5


def test_samples_as_json_hold_every_class(run):
    found = json.loads(run("data", "show", "moons", "--json").out)
    assert found["counts"]["training"] == {"upper": 900, "lower": 900}
    assert (found["channels"], found["size"]) == (2, 1)
    assert len(found["fingerprint"]) == 64


def test_points_are_drawn_as_points(run):
    drawn = run("data", "show", "circles").out.partition("as trained on")[0]
    assert "outer bright, inner dark" in drawn
    marks = drawn.splitlines()[1:20]
    assert sum(line.count("#") for line in marks) > 20
    assert marks[0].strip() == ""  # the plane is larger than the circles


def test_what_was_left_out_of_a_folder_is_said(run, tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(10):
            Image.new("RGB", (9, 9), (index, 0, 0)).save(tmp_path / "pets" / name / f"{index}.png")
    (tmp_path / "pets" / "cats" / "broken.png").write_bytes(b"")
    words = ["data", "show", "imagefolder", f"folder={tmp_path / 'pets'}", "image_size=8"]
    refused = run(*words)
    assert refused.code == 4
    assert "broken.png" in refused.err
    shown = run(*words, "on_bad_image=skip")
    assert shown.code == 0
    assert "broken.png" in shown.err


def test_what_was_read_of_a_folder_and_what_is_odd_about_it_is_said_while_it_trains(run, tmp_path):
    for name, count in (("cats", 20), ("dogs", 2)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (9, 9), (index, 90 * count, 255 - index)).save(
                tmp_path / "pets" / name / f"{index}.png"
            )
        (tmp_path / "pets" / name / "one.heic").touch()
    profile = tmp_path / "pets.toml"
    profile.write_text(
        'title = "pets"\n[model]\npatch = 4\ndim = 16\ndepth = 2\nheads = 2\n'
        f'[data]\ndataset = "imagefolder"\nfolder = "{tmp_path / "pets"}"\nimage_size = 8\n'
        "[train]\nepochs = 1\nbatch = 8\naudit = false\n"
    )
    said = run("train", str(profile)).err
    assert said.count("pets  read 22 images (22 PNG 8-bit RGB); of 9×9 pixels; ") == 1
    assert "passed over: 2 .heic" in said
    assert "pets  warning: 'dogs' has no image to validate or test on" in said


def test_throughput_is_measured_for_each_augmentation_or_the_one_asked_for(run):
    said = run("data", "throughput", "digits", "mixup=0.5", "batch=16", "--seconds", "0", "--json")
    plain, mixed = json.loads(said.out)
    assert (plain["augmentation"], mixed["augmentation"]) == ("none", "as set")
    for row in (plain, mixed):
        assert row["batch"] == 16
        assert row["batches"] == 5
        assert row["least_milliseconds"] <= row["batch_milliseconds"] <= row["most_milliseconds"]
        expected = 16 / row["batch_milliseconds"] * 1000
        assert row["images_per_second"] == pytest.approx(expected)


def test_what_does_not_suit_a_dataset_is_left_out_with_the_reason(run):
    said = run("data", "throughput", "circles", "--seconds", "0")
    assert said.code == 0
    kinds = [line.split("\t")[1] for line in said.out.splitlines()[1:]]
    assert kinds == ["none", "mixup", "cutmix"]
    assert "circles, rotation: circles has points, not pictures" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cfar10"], "there is no dataset 'cfar10'; did you mean 'cifar10'?"),
        (["show", "digit"], "there is no dataset and no folder 'digit'; did you mean 'digits'?"),
        (["show", "digits", "rotate=3"], "data.rotate: unknown key; did you mean 'rotation'?"),
        (["show", "digits", "rotation=200"], "should be at most 180"),
        (["show", "imagefolder"], "say where the images are"),
        (["throughput", "digit"], "did you mean 'digits'?"),
    ],
)
def test_a_mistake_gets_one_sentence(run, words, sentence):
    said = run("data", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def pictures_in(folder, *, size=(12, 9), count=6):
    """So many small images in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", size, (12 * number, 0, 0)).save(folder / f"{folder.name}{number}.png")


def with_parts(root):
    for part in ("train", "val"):
        for name in ("cats", "dogs"):
            pictures_in(root / part / name)


def with_labels(root):
    pictures_in(root / "images", count=20)
    lines = [f"images{n},{'cats' if n % 2 else 'dogs'}" for n in range(20)]
    (root / "labels.csv").write_text("\n".join(["id,label", *lines]))
    (root / "notes.txt").write_text("nothing")


def of_mnist(root):
    for half in ("train", "t10k"):
        for what in ("images-idx3", "labels-idx1"):
            (root / "mnist").mkdir(parents=True, exist_ok=True)
            (root / "mnist" / f"{half}-{what}-ubyte").touch()


@pytest.mark.parametrize(
    ("make", "facts", "settings"),
    [
        (with_parts, ["a folder for each class", "2: cats (6), dogs (6)", "12 to train on, 12 to test on", "12×9; 100% are not square"], {"dataset": "imagefolder", "image_size": 8}),
        (with_labels, ["their labels in labels.csv", "2: cats (10), dogs (10)", "16 to train on, 4 to test on", "passed over: 1 .txt"], {"dataset": "imagefolder", "labels": "labels.csv", "image_size": 8}),
        (of_mnist, ["MNIST", "60,000 to train on, 10,000 to test on"], {"dataset": "mnist"}),
    ],
)  # fmt: skip
def test_a_folder_is_recognised_and_a_profile_is_written_that_trains_on_it(
    run, tmp_path, monkeypatch, make, facts, settings
):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "My Set")
    said = run("data", "add", "My Set")
    assert said.code == 0, said.err
    for words in facts:
        assert words in said.out
    profile = tomllib.loads((tmp_path / "my-set.toml").read_text())
    own = {"folder": str(tmp_path / "My Set")} if settings["dataset"] == "imagefolder" else {}
    assert profile["data"] == settings | own
    again = run("data", "add", "My Set")
    assert (again.code, again.err.count("\n")) == (4, 1)
    assert "there is a file my-set.toml already; choose another with --to" in again.err
    if own:
        assert run("train", "my-set.toml", "--dry-run", "model.dim=12").code == 0
        assert "8×8 pixels, 3 channels" in run("data", "show", "My Set").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pest"], "there is no folder /.*/pest; did you mean 'pets'"),
        (["file.png"], "file.png is a file; give the folder that it is in"),
        (["pets"], "pets has 0 folders of images where a class each is expected"),
        (["idx"], "idx holds the files of mnist or fashion_mnist; rename the folder to that"),
    ],
)
def test_a_folder_that_is_nothing_gets_one_sentence(run, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    (tmp_path / "file.png").touch()
    of_mnist(tmp_path)
    (tmp_path / "mnist").rename(tmp_path / "idx")
    said = run("data", "add", *words)
    assert (said.code, said.out, said.err.count("\n")) == (4, "", 1)
    assert re.search(sentence, said.err)


def test_the_list_has_a_name_of_its_own(run):
    assert run("data", "list").out == run("data").out


TINY = """
title = "a model that is quick beside its data"
[model]
patch = 8
dim = 8
depth = 1
heads = 1
[data]
train_limit = 64
rotation = 30.0
blur = 2.0
erasing = 1.0
[train]
batch = 32
threads = 1
"""


@pytest.fixture
def of_the_processor(monkeypatch):
    """Measured by the clock of the processor: by that of the wall, whatever else the machine does is measured too."""
    clock = SimpleNamespace(perf_counter=time.process_time)
    monkeypatch.setattr("revconsole.training.questions.throughput.time", clock)


@pytest.mark.usefixtures("of_the_processor")
def test_data_and_model_of_a_profile_are_measured_alone_and_together(run):
    Path("quick.toml").write_text(TINY, encoding="utf-8")
    said = run(
        "data",
        "throughput",
        "quick",
        "data.prefetch=0",
        "data.rand_augment=5",
        "--seconds",
        "0",
        "--json",
    )
    (row,) = json.loads(said.out)
    assert (row["run"], row["batch"], row["image_size"]) == ("quick", 32, 8)
    assert row["bound_by"] == "data"
    assert not row["made_ahead"]
    alone = 1 / row["data_images_per_second"] + 1 / row["model_images_per_second"]
    assert 0.2 < alone * row["images_per_second"] < 5  # one after the other
    assert 0 <= row["waiting"] < 1
    assert "quick: the data is the bottleneck; " in said.err


@pytest.mark.usefixtures("of_the_processor")
def test_a_profile_is_measured_with_its_overrides(run):
    Path("quick.toml").write_text(TINY, encoding="utf-8")
    words = [
        "quick",
        "data.rotation=0.0",
        "data.blur=0.0",
        "data.erasing=0.0",
        "model.depth=12",
        "model.dim=64",
    ]
    said = run("data", "throughput", *words, "model.patch=2", "train.batch=16", "--seconds", "0")
    header, row = (line.split("\t") for line in said.out.splitlines())
    cells = dict(zip(header, row, strict=True))
    assert (cells["batch"], cells["bottleneck"]) == ("16", "model")
    assert float(cells["data/s"].replace(",", "")) > float(cells["model/s"].replace(",", ""))
