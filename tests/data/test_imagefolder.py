"""A folder of images: its layouts, its damaged files, its cache, and what may not be in it."""

import numpy as np
import pytest
import torch
from PIL import Image

from revconsole.data import imagefolder, open_data
from revconsole.errors import DataUnavailable
from revconsole.records import folder as listing
from revconsole.records import sources
from revconsole.records.plan import Plan
from revconsole.records.sections import Data

JPEG_ERROR = 6  # grey levels by which a flat colour may be off after compression


def save(path, level, *, size=(20, 14), kind="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = level if kind == "L" else (level, 255 - level, 30)
    Image.new(kind, size, colour).save(path)


@pytest.fixture
def pets(tmp_path):
    """Ten cats of level 50 to 59 and ten dogs of level 200 to 209, in a folder for each class."""
    for index in range(10):
        save(tmp_path / "pets" / "dogs" / f"{index}.png", 200 + index)
        save(tmp_path / "pets" / "cats" / f"{index}.png", 50 + index)
    return tmp_path / "pets"


@pytest.fixture
def opened(tmp_path, settings):
    """A function: the folder as a run opens it, and what was said about it."""

    def made(root, **changes):
        said = []
        chosen = settings(
            dataset="imagefolder",
            **{"folder": str(root), "image_size": 8, "validation": 0.25, **changes},
        )
        data = open_data(chosen, folder=tmp_path / "data", device="cpu", say=said.append)
        return data, said

    return made


def test_each_image_gets_the_label_of_its_folder_and_keeps_its_colour(pets, opened):
    data, said = opened(pets)
    assert data.names == ("cats", "dogs")
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 4, 4)
    assert torch.bincount(data.test.labels).tolist() == [2, 2]
    assert data.train.images.shape[1:] == (3, 8, 8)
    assert data.train.classes == data.facts.classes == 2
    assert (data.facts.train_images, data.facts.test_images) == (16, 4)
    for split in (data.train, data.validation, data.test):
        red = split.images[:, 0].float().mean((1, 2))
        assert torch.equal(red > 128, split.labels == 1)
    assert said == []


def test_every_image_is_in_one_split(pets, opened):
    data, _ = opened(pets)
    levels = [
        int(image[0, 0, 0])
        for split in (data.train, data.validation, data.test)
        for image in split.images
    ]
    assert sorted(levels) == [*range(50, 60), *range(200, 210)]


def test_parts_beside_train_are_what_their_names_say(tmp_path, opened):
    root = tmp_path / "parts"
    for part, level, count in (("train", 10, 6), ("val", 100, 3), ("test", 200, 4)):
        for name in ("a", "b"):
            for index in range(count):
                save(root / part / name / f"{index}.png", level)
    data, _ = opened(root)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 6, 8]
    assert [int(s.images[:, 0].float().mean()) for s in (data.train, data.validation, data.test)] == [
        10, 100, 200,
    ]  # fmt: skip
    limited, _ = opened(root, train_limit=4)
    assert [len(s) for s in (limited.train, limited.validation)] == [4, 6]


def test_without_a_test_part_the_validation_part_is_tested_on(tmp_path, opened):
    root = tmp_path / "parts"
    for part, level, count in (("train", 10, 8), ("val", 100, 3)):
        for name in ("a", "b"):
            for index in range(count):
                save(root / part / name / f"{index}.png", level)
    data, _ = opened(root)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [12, 4, 6]
    assert data.test.images[:, 0].unique().tolist() == [100]


def test_images_are_made_rgb_upright_and_cut_to_the_middle_square(tmp_path):
    grey = tmp_path / "grey.png"
    save(grey, 77, kind="L")
    assert imagefolder.decode(grey, 8).tolist() == np.full((3, 8, 8), 77).tolist()

    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200
    wide[5:, 10:20, 0] = 100  # the lower half of the middle is less red
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = imagefolder.decode(tmp_path / "wide.png", 10)
    assert (found[1:] == 200).all()
    assert (found[0, :5] == 200).all()
    assert (found[0, 5:] == 100).all()

    turned = Image.Exif()
    turned[0x0112] = 3  # taken upside down
    Image.fromarray(wide).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    found = imagefolder.decode(tmp_path / "turned.jpg", 10)
    assert found[0, :4].mean() < 110 + JPEG_ERROR
    assert found[0, 6:].mean() > 190 - JPEG_ERROR


def test_damaged_images_end_the_run_with_their_names(pets, opened):
    (pets / "cats" / "broken.jpg").write_bytes(b"\xff\xd8 nothing more")
    whole = (pets / "dogs" / "3.png").read_bytes()
    (pets / "dogs" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataUnavailable) as caught:
        opened(pets)
    sentence = str(caught.value)
    assert "2 of 22 images cannot be read" in sentence
    assert str(pets / "cats" / "broken.jpg") in sentence
    assert str(pets / "dogs" / "cut.png") in sentence
    assert "data.on_bad_image = skip" in sentence
    assert "\n" not in sentence


def test_damaged_images_are_left_out_on_request_and_that_is_said(pets, opened):
    before, _ = opened(pets)
    (pets / "cats" / "broken.jpg").write_bytes(b"")
    after, said = opened(pets, on_bad_image="skip")
    assert len(said) == 1
    assert "broken.jpg" in said[0]
    assert "left out" in said[0]
    assert after.fingerprint == before.fingerprint


def test_images_are_decoded_once_and_again_after_a_change(pets, opened, monkeypatch):
    first, _ = opened(pets)
    decoded = []
    original = imagefolder.decode
    monkeypatch.setattr(
        imagefolder, "decode", lambda file, side: decoded.append(file) or original(file, side)
    )
    second, _ = opened(pets)
    assert decoded == []
    assert second.fingerprint == first.fingerprint

    save(pets / "dogs" / "3.png", 100)
    third, _ = opened(pets)
    assert len(decoded) == 20
    assert third.fingerprint != first.fingerprint
    opened(pets, image_size=4)
    assert len(decoded) == 40


def test_how_far_it_is_is_said_while_it_takes_long(pets, opened, monkeypatch):
    monkeypatch.setattr(imagefolder, "SAY_SECONDS", 0.0)
    _, said = opened(pets)
    assert any(line.startswith("read 10 of 20 images") for line in said)


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(pets, opened):
    (pets / "cats" / "notes.txt").write_text("not an image")
    (pets / "cats" / ".hidden.png").write_bytes(b"")
    (pets / ".cache").mkdir()
    data, _ = opened(pets)
    assert data.names == ("cats", "dogs")
    assert data.facts.train_images == 16


def test_links_out_of_the_folder_are_refused_and_those_within_followed(pets, opened, tmp_path):
    (pets / "cats" / "again.png").symlink_to(pets / "cats" / "1.png")
    assert opened(pets)[0].facts.train_images == 17

    save(tmp_path / "secret.png", 1)
    (pets / "cats" / "out.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataUnavailable, match="is a link to a file outside"):
        opened(pets)
    (pets / "cats" / "out.png").unlink()
    (pets / "birds").symlink_to(pets / "cats")
    with pytest.raises(DataUnavailable, match="is a link to a folder"):
        opened(pets)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: None, "there is no folder"),
        (lambda root: root.mkdir(), "has 0 folders of images where a class each is expected"),
        (lambda root: save(root / "one" / "1.png", 3), "has 1 folders of images"),
        (
            lambda root: [save(root / "a" / "1.png", 3), (root / "b").mkdir()],
            "class 'b' of",
        ),
        (
            lambda root: [
                save(root / p / "1.png", 3) for p in ("train/a", "train/b", "test/a", "test/c")
            ],
            "c is not a class to train on",
        ),
        (
            lambda root: [
                save(root / p / "1.png", 3) for p in ("train/a", "train/b", "test/a", "test/b")
            ],
            "has 1 readable images to train on",
        ),
    ],
)
def test_a_folder_that_is_not_as_it_should_be_gets_one_sentence(tmp_path, opened, make, sentence):
    make(tmp_path / "odd")
    with pytest.raises(DataUnavailable) as caught:
        opened(tmp_path / "odd")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_are_known_to_a_plan_without_opening_an_image(pets):
    (pets / "cats" / "0.png").write_bytes(b"")
    data = {"dataset": "imagefolder", "folder": str(pets), "image_size": 16}
    plan = Plan.model_validate({"name": "pets", "data": data})
    assert (plan.facts.classes, plan.facts.channels, plan.image_size) == (2, 3, 16)
    assert listing.class_names(pets) == ("cats", "dogs")


def test_a_plan_is_read_back_though_its_folder_is_gone(tmp_path):
    data = {"dataset": "imagefolder", "folder": str(tmp_path / "gone"), "image_size": 16}
    plan = Plan.model_validate({"name": "gone", "data": data})
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    with pytest.raises(DataUnavailable, match="there is no folder"):
        _ = plan.facts


def test_a_folder_is_kept_as_an_absolute_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Data(folder="pets").folder == str(tmp_path / "pets")
    assert Data(folder="~/pets").folder == "/home/somebody/pets"
    assert sources.image_size(Data(dataset="imagefolder", folder="x", image_size=9)) == 9


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"dataset": "imagefolder", "image_size": 16}, "say where the images are"),
        ({"dataset": "imagefolder", "folder": "x"}, "say what side to bring them to"),
        ({"folder": "x"}, "add data.dataset=imagefolder"),
    ],
)
def test_what_a_folder_needs_is_asked_for(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        Plan.model_validate({"name": "asked", "data": data})
