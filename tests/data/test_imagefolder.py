"""A folder of images: its layouts, its damaged files, its cache, and what may not be in it."""

import errno
import os
import resource
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from revconsole.data import _decoding, doubts, open_data
from revconsole.errors import DataUnavailable
from revconsole.records.datasets import folder as listing
from revconsole.records.datasets import sources
from revconsole.records.datasets.counts import counted
from revconsole.records.pictures import file_pixels
from revconsole.records.pictures.file_pixels import PixelFrame, decoded
from revconsole.records.sections import Data
from revconsole.records.settings.plan import Plan

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


def test_labels_of_a_file_are_those_of_the_folders_of_classes(pets, opened):
    before, _ = opened(pets)
    files = [
        *(f"dogs/{n},dogs" for n in range(9, -1, -1)),
        *(f"cats/{n}.png,cats" for n in range(10)),
    ]
    (pets / "labels.csv").write_text("\n".join(["id,breed", *files]))
    after, _ = opened(pets, labels="labels.csv")
    assert (after.fingerprint, after.names) == (before.fingerprint, before.names)
    (pets / "labels.csv").write_text("\n".join(["id,breed", *files[:-2]]))
    less, _ = opened(pets, labels="labels.csv")
    assert less.facts.train_images + less.facts.test_images == 18
    assert "labels of labels.csv, a fifth is cut off to test on" in less.read
    assert "passed over: 2 without a label" in less.read
    plan = Plan.model_validate(
        {"name": "l", "data": {"dataset": "imagefolder", "folder": str(pets), "image_size": 8, "labels": "labels.csv"}}
    )  # fmt: skip
    assert plan.facts.classes == 2
    assert counted(plan.data).facts.train_images == less.facts.train_images


def test_the_layout_of_tiny_imagenet_is_read(tmp_path, opened):
    root, lines = tmp_path / "tiny", []
    for label, name in enumerate(("n01", "n02")):
        for index in range(6):
            save(root / "train" / name / "images" / f"{name}_{index}.JPEG", 100 * label)
            (root / "train" / name / f"{name}_boxes.txt").touch()
            save(root / "val" / "images" / f"val_{label}{index}.JPEG", 100 * label + 50)
            lines.append(f"val_{label}{index}.JPEG\t{name}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    save(root / "test" / "images" / "test_0.JPEG", 1)
    (root / "wnids.txt").touch()
    data, _ = opened(root)
    assert data.names == ("n01", "n02")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [9, 3, 12]
    levels = data.test.images[:, 0].float().mean((1, 2))
    assert torch.equal(levels > 100, data.test.labels == 1)
    assert "train/ to train on, val/ to test on" in data.read
    assert "1 without a class in test/" in data.read

    (root / "val" / "val_annotations.txt").write_text("val_00.JPEG\tn03\n")
    with pytest.raises(DataUnavailable, match=r"line 1 of .* has the class 'n03'"):
        opened(root)


def test_links_are_followed_on_request_and_a_circle_is_a_sentence(pets, opened, tmp_path):
    expected = opened(pets)[0].fingerprint
    linked = tmp_path / "linked"
    (linked / "dogs").mkdir(parents=True)
    (linked / "cats").symlink_to(pets / "cats")
    for file in (pets / "dogs").iterdir():
        (linked / "dogs" / file.name).symlink_to(file)
    data, _ = opened(linked, links="follow")
    assert data.fingerprint == expected
    assert "10 of them by links" in data.read
    (linked / "dogs" / "back").symlink_to(linked)
    with pytest.raises(DataUnavailable, match="dogs/back is a link back to a folder above it"):
        opened(linked, links="follow")


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
    assert (
        decoded(grey.read_bytes(), PixelFrame(8, 8))[0].tolist() == np.full((3, 8, 8), 77).tolist()
    )

    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200
    wide[5:, 10:20, 0] = 100  # the lower half of the middle is less red
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = decoded((tmp_path / "wide.png").read_bytes(), PixelFrame(10, 10))[0]
    assert (found[1:] == 200).all()
    assert (found[0, :5] == 200).all()
    assert (found[0, 5:] == 100).all()

    turned = Image.Exif()
    turned[0x0112] = 3  # taken upside down
    Image.fromarray(wide).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    found = decoded((tmp_path / "turned.jpg").read_bytes(), PixelFrame(10, 10))[0]
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
    read = []
    original = _decoding.decode
    monkeypatch.setattr(
        _decoding, "decode", lambda file, frame: read.append(file) or original(file, frame)
    )
    second, _ = opened(pets)
    assert read == []
    assert second.fingerprint == first.fingerprint

    save(pets / "dogs" / "3.png", 100)
    third, _ = opened(pets)
    assert read == [pets / "dogs" / "3.png"]
    assert third.fingerprint != first.fingerprint
    opened(pets, image_size=4)
    assert len(read) == 21


def test_how_far_it_is_is_said_while_it_takes_long(pets, opened, monkeypatch):
    monkeypatch.setattr(_decoding, "SAY_SECONDS", 0.0)
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
        (lambda root: save(root / "one" / "1.png", 3), "has 1 folder of images"),
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
    assert listing.laid_out(pets).classes == ("cats", "dogs")


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
        ({"dataset": "imagefolder", "folder": "pets"}, "set the side to scale them to"),
        ({"dataset": "imagefolder", "folder": "pest/cats"}, "no folder .*pest/cats.* 'pets'"),
        ({"dataset": "context_patches", "source": "imagefolder", "folder": "pest"}, "no folder"),
        ({"folder": "x"}, "add data.dataset=imagefolder"),
    ],
)
def test_what_a_folder_needs_is_asked_for_after_the_folder_itself(
    data, sentence, pets, monkeypatch
):
    monkeypatch.chdir(pets.parent)
    with pytest.raises(ValueError, match=sentence):
        Plan.model_validate({"name": "asked", "data": data})


def test_every_suffix_that_pillow_reads_is_read_and_the_others_are_counted(pets, opened):
    for index in range(3):
        Image.new("RGB", (9, 9), (index, 0, 0)).save(pets / "cats" / f"more{index}.jfif", "JPEG")
    for name in ("one.heic", "two.heic", "notes.txt", "bare", "Thumbs.db"):
        (pets / "cats" / name).write_bytes(b"x")
    (pets / "beside.png").write_bytes(b"x")
    data, said = opened(pets)
    assert data.facts.train_images + data.facts.test_images == 23
    assert "23 images (20 PNG 8-bit RGB, 3 JPEG 8-bit RGB)" in data.read
    for words in ("2 .heic", "1 .txt", "1 .db", "1 no suffix", "1 beside the folders of classes"):
        assert words in data.read.partition("passed over: ")[2]
    assert said == []


def test_thumbnails_of_a_nas_are_no_images_and_are_counted(pets, opened):
    before, _ = opened(pets)
    for index in range(10):
        save(pets / "cats" / "@eaDir" / f"{index}.png" / "SYNOPHOTO_THUMB_S.jpg", 1)
    after, _ = opened(pets)
    assert after.fingerprint == before.fingerprint
    assert "passed over: 1 @eaDir/" in after.read


def test_unlabelled_test_images_are_counted_and_what_is_tested_on_instead_is_said(
    pets, opened, tmp_path
):
    (tmp_path / "apart").mkdir()
    pets.rename(tmp_path / "apart" / "Train")
    for index in range(7):
        save(tmp_path / "apart" / "Test" / f"{index}.png", 1)
    (tmp_path / "apart" / "labels.csv").touch()
    data, _ = opened(tmp_path / "apart")
    assert data.names == ("cats", "dogs")
    assert "Train/ to train on, a fifth of it cut off to test on" in data.read
    assert "passed over: 7 without a class in Test/, 1 .csv" in data.read


def test_what_was_read_tells_kinds_sizes_what_was_cut_away_and_what_shone_through(tmp_path, opened):
    for name in ("a", "b"):
        for index in range(10):
            save(tmp_path / "odd" / name / f"{index}.png", 9 * index, size=(40, 10))
    Image.new("RGBA", (40, 40), (1, 2, 3, 0)).save(tmp_path / "odd" / "a" / "gone.png")
    data, _ = opened(tmp_path / "odd")
    assert data.read.startswith("21 images (21 PNG 8-bit RGB); of 40×10 to 40×40 pixels; ")
    assert "the middle of each, 71% of the pictures cut away, up to 75% of one" in data.read
    assert "1 with transparent pixels, put on white" in data.read


@pytest.mark.parametrize(
    ("fit", "words", "levels"),
    [
        ("crop", "the middle of each, 75% of the pictures cut away", [2, 2]),
        ("squash", "each squashed to that shape, by 75%", [0, 2]),
        ("letterbox", "each whole between black bars, 75% of the frame", [0, 2]),
    ],
)
def test_a_picture_that_is_not_square_is_cut_squashed_or_boxed_and_that_is_said(
    tmp_path, opened, fit, words, levels
):
    wide = np.zeros((16, 64, 3), dtype=np.uint8)
    wide[:, 16:48] = 200
    for name in ("a", "b"):
        (tmp_path / "wide" / name).mkdir(parents=True)
        for index in range(8):
            Image.fromarray(wide).save(tmp_path / "wide" / name / f"{index}.png")
    data, _ = opened(tmp_path / "wide", fit=fit)
    assert words in data.read
    image = data.train.images[0, 0]
    assert [
        level // 100 for level in image[4, [0, 4]].tolist()
    ] == levels  # bicubic: 200 is about 200
    assert int(image[0, 4]) // 100 == (0 if fit == "letterbox" else 2)
    assert data.fingerprint != opened(tmp_path / "wide", image_size=4)[0].fingerprint


def test_16_bit_images_keep_their_levels(tmp_path, opened):
    for name, level in (("a", 300), ("b", 40_000)):
        for index in range(8):
            file = tmp_path / "wide" / name / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((9, 9), level + 256 * index, dtype=np.uint16)).save(file)
    data, _ = opened(tmp_path / "wide")
    found = sorted(
        int(i[0, 0, 0]) for s in (data.train, data.validation, data.test) for i in s.images
    )
    assert found == [*range(1, 9), *range(156, 164)]
    assert max(data.std) > 0.2


def exchanged(one, other):
    other.rename(other.with_name("aside"))
    one.rename(other)
    other.with_name("aside").rename(one)


def flat(file, level):
    """A BMP: every one of these has the same size, and here the same times."""
    save(file, level)
    os.utime(file, (1.6e9, 1.6e9))


def test_two_classes_that_change_places_have_other_labels_and_another_fingerprint(tmp_path, opened):
    root = tmp_path / "swap"
    for index in range(10):
        flat(root / "cat" / f"{index}.bmp", 200)
        flat(root / "dog" / f"{index}.bmp", 9)
    before, _ = opened(root)
    exchanged(root / "cat", root / "dog")
    after, _ = opened(root)
    assert before.train.images[before.train.labels == 0][:, 0].unique().tolist() == [200]
    assert after.train.images[after.train.labels == 0][:, 0].unique().tolist() == [9]
    assert after.fingerprint != before.fingerprint


def test_an_image_replaced_in_its_own_file_with_the_time_set_back_is_read_anew(tmp_path, opened):
    root = tmp_path / "same"
    for index in range(10):
        flat(root / "cat" / f"{index}.bmp", 200)
        flat(root / "dog" / f"{index}.bmp", 9)
    before, _ = opened(root)
    with (root / "cat" / "3.bmp").open("r+b") as file:
        file.write((root / "dog" / "3.bmp").read_bytes())
    os.utime(root / "cat" / "3.bmp", (1.6e9, 1.6e9))
    after, _ = opened(root)
    assert after.fingerprint != before.fingerprint
    levels = [
        int(i[0, 0, 0]) for s in (after.train, after.validation, after.test) for i in s.images
    ]
    assert sorted(levels) == [9] * 11 + [200] * 9


@pytest.fixture
def failing(monkeypatch):
    """A function: from now on one file cannot be opened, for the reason of an error number; None mends it."""
    original = os.open

    def fail(name, number):
        def opening(path, *rest, **more):
            if number is not None and str(path).endswith(name):
                raise OSError(number, os.strerror(number), str(path))
            return original(path, *rest, **more)

        monkeypatch.setattr(os, "open", opening)

    return fail


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("cached", [False, True])
def test_an_error_of_reading_that_has_passed_is_forgotten(pets, opened, failing, number, cached):
    expected = opened(pets)[0].fingerprint if cached else None
    failing("cats/3.png", number)
    with pytest.raises(
        DataUnavailable, match=r"1 of 20 images cannot be read: .*cats/3.png"
    ) as caught:
        opened(pets)
    assert os.strerror(number) in str(caught.value)
    assert "delete" not in str(caught.value)
    assert "repair" not in str(caught.value)
    failing("cats/3.png", None)
    data, said = opened(pets)
    assert said == []
    assert data.facts.train_images + data.facts.test_images == 20
    assert expected in {None, data.fingerprint}


def test_an_error_of_the_moment_leaves_nothing_out(pets, opened, failing):
    failing("cats/3.png", errno.ESTALE)
    with pytest.raises(DataUnavailable, match="that is no fault of the images: try again"):
        opened(pets, on_bad_image="skip")
    failing("cats/3.png", errno.EACCES)
    assert "left out" in opened(pets, on_bad_image="skip")[1][0]
    failing("cats/3.png", None)
    assert opened(pets, on_bad_image="skip")[1] == []


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("out of memory error when reading image file")]
)
def test_too_little_memory_is_a_sentence_and_no_fault_of_an_image(pets, opened, monkeypatch, error):
    def decode(content, frame):
        raise error

    monkeypatch.setattr(file_pixels, "decoded", decode)
    with pytest.raises(
        DataUnavailable,
        match=r"do not fit into the memory there is \(reading .*cats/0.png\); lower data.image_size",
    ):
        opened(pets, on_bad_image="skip")


@pytest.mark.parametrize("damage", ["cut", "turned", "emptied", "another", "fifo"])
def test_a_damaged_cache_is_made_anew(pets, opened, tmp_path, damage):
    before, _ = opened(pets)
    (cache,) = (tmp_path / "data" / "imagefolder").iterdir()
    content = bytearray(cache.read_bytes())
    if damage == "fifo":
        cache.unlink()
        os.mkfifo(cache)
    else:
        content[len(content) // 2] ^= 1
        spoilt = {
            "cut": content[: len(content) // 2],
            "turned": content,
            "emptied": b"",
            "another": b"PK\3\4" * 99,
        }
        cache.write_bytes(spoilt[damage])
    after, said = opened(pets)
    assert (after.fingerprint, said) == (before.fingerprint, [])
    assert zipfile.ZipFile(cache).testzip() is None


def test_a_full_disk_leaves_the_cache_out_and_nothing_half_written(pets, opened, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        data, said = opened(pets)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (len(data.train), said) == (12, [])
    assert list((tmp_path / "data" / "imagefolder").iterdir()) == []
    assert opened(pets)[0].fingerprint == data.fingerprint


def test_only_regular_files_are_opened(pets, opened, monkeypatch):
    os.mkfifo(pets / "cats" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as there:
        monkeypatch.chdir(pets / "cats")  # the path of a socket must be short
        there.bind("socket.png")
        data, _ = opened(pets)
    assert data.facts.train_images == 16
    assert "passed over: 2 no regular file" in data.read


def test_links_in_a_circle_and_folders_without_end_are_a_sentence(pets, opened):
    (pets / "cats" / "round.png").symlink_to("round.png")
    (pets / "cats" / "nowhere.png").symlink_to("gone.png")
    with pytest.raises(
        DataUnavailable, match=r"2 of 22 images cannot be read: .*nowhere.png .*round.png"
    ):
        opened(pets)
    (pets / "cats" / "round.png").unlink()
    (pets / "cats" / "nowhere.png").unlink()
    (pets / "dogs" / "/".join("d" * 200)).mkdir(parents=True)
    with pytest.raises(DataUnavailable, match="dogs there are folders more than 32 deep"):
        opened(pets)


def test_a_class_of_files_that_are_not_read_says_which_they_are(pets, opened):
    for file in (pets / "cats").iterdir():
        file.rename(file.with_suffix(".heic"))
    with pytest.raises(
        DataUnavailable,
        match=r"class 'cats' of .* has no image to train on \(there are: 10 .heic\)",
    ):
        opened(pets)


def test_a_class_with_nothing_to_validate_or_test_on_is_said_at_launch(tmp_path, opened, settings):
    for index in range(40):
        save(tmp_path / "rare" / "many" / f"{index}.png", index, kind="L")
    for index in range(2):
        save(tmp_path / "rare" / "few" / f"{index}.png", 100 + index, kind="L")
    data, _ = opened(tmp_path / "rare")
    (doubt,) = doubts(data, settings(dataset="imagefolder"))
    assert doubt.level == "warning"
    assert doubt.text.startswith("'few' has no image to validate or test on: ")


def test_the_levels_of_12_bits_in_a_16_bit_file_are_doubtful(tmp_path, opened, settings):
    draw = np.random.default_rng(1)
    for name in ("a", "b"):
        (tmp_path / "narrow" / name).mkdir(parents=True)
        for index in range(10):
            pixels = draw.integers(0, 4096, (9, 9), dtype=np.uint16)
            Image.fromarray(pixels).save(tmp_path / "narrow" / name / f"{index}.png")
    data, _ = opened(tmp_path / "narrow")
    (doubt,) = doubts(data, settings(dataset="imagefolder"))
    assert "hardly any grey levels" in doubt.text


def test_many_may_read_and_write_the_cache_at_once(pets, opened, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = [data.fingerprint for data, _ in pool.map(lambda _: opened(pets), range(16))]
    assert len(set(found)) == 1
    (cache,) = (tmp_path / "data" / "imagefolder").iterdir()
    assert zipfile.ZipFile(cache).testzip() is None


def test_an_image_that_cannot_be_decoded_does_not_have_the_others_decoded_or_kept_again(
    pets, opened, tmp_path, monkeypatch
):
    (pets / "cats" / "empty.png").touch()
    opened(pets, on_bad_image="skip")
    (cache,) = (tmp_path / "data" / "imagefolder").iterdir()
    before, read, original = cache.stat().st_mtime_ns, [], _decoding.decode
    monkeypatch.setattr(
        _decoding, "decode", lambda file, frame: read.append(file) or original(file, frame)
    )
    _, said = opened(pets, on_bad_image="skip")
    assert "empty.png (it is empty); they are left out" in said[0]
    assert read == [pets / "cats" / "empty.png"]
    assert cache.stat().st_mtime_ns == before


def test_a_folder_of_which_no_image_can_be_read_is_a_sentence(tmp_path, opened):
    for name in ("a", "b"):
        (tmp_path / "gone" / name).mkdir(parents=True)
        (tmp_path / "gone" / name / "1.png").touch()
    with pytest.raises(DataUnavailable, match="has no readable test image"):
        opened(tmp_path / "gone", on_bad_image="skip")


def test_what_a_name_would_have_a_terminal_do_is_not_in_what_was_read(pets, opened):
    (pets / "cats" / "one.\x1b[31mred").touch()
    (pets / "cats" / "two.\u202etxt").touch()
    data, _ = opened(pets)
    assert data.read.isprintable()
    assert "passed over: " in data.read
