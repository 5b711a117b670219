"""The classes and the parts of a folder, by names alone."""

import errno
import os

import pytest

from revconsole.errors import DataUnavailable
from revconsole.records.datasets.folder import laid_out, part_of


@pytest.fixture
def root(tmp_path):
    """A folder of its own: beside it are the store and the home of the tests."""
    return tmp_path / "set"


def tree(root, *files):
    """Empty files, each with the folders it is in; a name that ends with / is a folder."""
    for name in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Val", "Test"),
        ("TRAIN", "VALID", "TEST"),
        ("training", "validation", "testing"),
        ("training_set", "dev_set", "test_set"),
        ("train-images", "valid images", "Test.Images"),
        ("TrainData", "ValData", "TestData"),
    ],
)
def test_parts_are_known_by_their_usual_names_in_any_case(root, train, validation, test):
    tree(
        root,
        *(f"{part}/{name}/1.png" for part in (train, validation, test) for name in ("cat", "dog")),
    )
    found = laid_out(root)
    assert found.classes == ("cat", "dog")
    assert [part and part.name for part in (found.train, found.validation, found.test)] == [
        train,
        validation,
        test,
    ]


@pytest.mark.parametrize(
    "name", ["trainer", "contest", "tested", "valley", "train2017", "cat", "device", "set", "data"]
)
def test_a_name_that_only_sounds_like_it_is_no_part(name):
    assert part_of(name) is None


def test_a_train_is_a_vehicle_where_it_holds_images(root):
    tree(root, "train/1.png", "car/1.png", "bus/1.png")
    assert laid_out(root).classes == ("bus", "car", "train")


def test_a_part_without_classes_is_unlabelled_and_no_class(root):
    tree(root, "train/cat/1.png", "train/dog/1.png", "test/1.png")
    found = laid_out(root)
    assert (found.classes, found.test) == (("cat", "dog"), None)
    assert found.unlabelled == (root / "test",)

    beside = tree(root / "beside", "cat/1.png", "dog/1.png", "test/1.png")
    assert laid_out(beside).classes == ("cat", "dog")
    assert laid_out(beside).unlabelled == (beside / "test",)


def test_what_a_system_puts_there_is_no_class_and_is_counted(root):
    tree(
        root,
        "cat/1.png",
        "dog/1.png",
        "@eaDir/1.png",
        "__MACOSX/1.png",
        ".ipynb_checkpoints/1.png",
        "#recycle/",
    )
    found = laid_out(root)
    assert found.classes == ("cat", "dog")
    assert found.passed == {
        "hidden": 1,
        "@eaDir/": 1,
        "__MACOSX/": 1,
        "#recycle/": 1,
    }


def test_other_folders_beside_the_parts_are_counted(root):
    tree(root, "train/cat/1.png", "train/dog/1.png", "masks/1.png")
    assert laid_out(root).passed == {"masks/ beside the parts": 1}


def test_one_folder_in_each_class_is_no_part(root):
    """As Tiny ImageNet has it."""
    tree(root, "train/n01/images/1.png", "train/n02/images/1.png")
    assert laid_out(root).classes == ("n01", "n02")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            ("train/cat/1", "train/dog/1", "Training/cat/1", "Training/dog/1"),
            r"Training, train of .* may both be what to train on",
        ),
        (
            ("train/cat/1", "train/dog/1", "val/cat/1", "valid/cat/1"),
            r"val, valid of .* may both be what to validate on",
        ),
        (
            ("Train/1.png", "Test/1.png"),
            r"Test, Train of .* are parts of a set, and hold no folder for each class",
        ),
        (("Train/1.png", "Test/1.png", "void/1.png"), r"Test, Train of .* are parts of a set"),
        (
            ("Test/cat/1", "Test/dog/1", "Val/cat/1", "Val/dog/1"),
            "there is no part to train on beside it",
        ),
        (
            ("cat/1.png", "dog/1.png", "test/cat/1.png"),
            "test holds folders, as a part of a set does",
        ),
        (
            ("a/cat/1", "a/dog/1", "b/cat/1", "b/dog/1"),
            r"a, b of .* all hold the same folders \(cat, dog\)",
        ),
        (
            ("a/cat/1", "a/dog/1", "a/cow/1", "b/cat/1", "b/dog/1", "c/Cat/1", "c/Dog/1"),
            "all hold the same folders",
        ),
        (("cat/images/1", "cat/masks/1", "dog/images/1", "dog/masks/1"), r"\(images, masks\)"),
        (
            ("seg_train/seg_train/1", "seg_test/seg_test/1", "seg_pred/seg_pred/1"),
            "is named as a part of a set",
        ),
        (
            ("wrap/cat/1", "wrap/dog/1"),
            r"has 1 folder of images.*perhaps data.folder=.*wrap is meant",
        ),
        (("train/train/cat/1", "train/train/dog/1"), r"perhaps data.folder=.*train/train is meant"),
    ],
)
def test_a_tree_that_may_be_read_in_two_ways_is_refused_with_a_sentence(root, files, sentence):
    tree(root, *files)
    with pytest.raises(DataUnavailable, match=sentence) as caught:
        laid_out(root)
    assert "\n" not in str(caught.value)


def test_no_link_to_a_folder_is_followed_be_it_a_class_or_a_part(root):
    outside = tree(root.parent / "outside", "cat/1.png", "dog/1.png")
    tree(root, "test/cat/1.png", "test/dog/1.png")
    (root / "train").symlink_to(outside)
    with pytest.raises(
        DataUnavailable, match="train is a link to a folder, and links are not followed"
    ):
        laid_out(root)
    (root / "train").unlink()
    (root / "train").symlink_to(root / "test")
    with pytest.raises(DataUnavailable, match="train is a link to a folder"):
        laid_out(root)


def test_the_folder_itself_may_be_a_link_and_links_in_a_circle_are_no_folder(root):
    tree(root, "cat/1.png", "dog/1.png")
    (root.parent / "link").symlink_to(root)
    (root / "round").symlink_to(root / "round")
    assert laid_out(root.parent / "link").classes == ("cat", "dog")


def test_a_folder_that_cannot_be_read_now_is_a_sentence_that_blames_nobody(root, monkeypatch):
    tree(root, "cat/1.png", "dog/1.png")

    def scandir(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(
        DataUnavailable, match=r"cannot be read \(Input/output error\); allow it or try again"
    ):
        laid_out(root)
