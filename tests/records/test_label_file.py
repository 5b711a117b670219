"""Labels from a file: its columns, what its lines mean, and what is refused."""

import pytest

from revconsole.errors import DataUnavailable
from revconsole.records.datasets.label_file import Files, read_labels
from revconsole.records.sections import Data

SUFFIXES = frozenset({".png", ".jpg"})


@pytest.fixture
def labels(tmp_path):
    """A function: the labels of a text."""

    def read(text, image=None, label=None):
        file = tmp_path / "labels.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_labels(file, SUFFIXES, image_column=image, label_column=label)

    return read


def pairs(found):
    return [(row.image, row.label) for row in found.rows]


@pytest.mark.parametrize(
    "text",
    [
        "file_name,label\na.png,cat\nb.png,dog\n",
        "\ufefflabel;Image\n cat ; a.png\ndog;b.png\n\n",
        "breed,id,note\ncat,a.png,x\ndog,b.png,y\n",
        "a.png,cat\nb.png,dog\n",
        "a.png\tcat\t0\t32\nb.png\tdog\t1\t2\n",
        "a.png cat\nb.png  dog\n",
        "odd,label\na.png,cat\nb.png,dog\n",
        'image,class\n"a.png","cat"\r\nb.png,dog',
    ],
)
def test_the_columns_are_known_by_their_names_or_their_places(labels, text):
    found = labels(text)
    assert pairs(found) == [("a.png", "cat"), ("b.png", "dog")]
    assert found.classes == ("cat", "dog")


def test_a_column_may_be_chosen_by_its_name_or_its_number(labels):
    text = "image,breed,species\na.png,pug,dog\nb.png,pug,dog\nc.png,lynx,cat\nd.png,pug,dog\n"
    assert labels(text, label="species").classes == ("cat", "dog")
    assert labels(text, label="2").classes == ("lynx", "pug")
    assert Data(label_column=2, image_column="x").label_column == "2"
    assert labels("a.png,x,cat\nb.png,x,dog\n", label="3").classes == ("cat", "dog")


def test_classes_that_are_numbers_are_in_their_order(labels):
    lines = "".join(f"{n}.png,{n % 11}\n" for n in range(33))
    assert labels(lines).classes == tuple(map(str, range(11)))


def test_a_column_of_parts_is_read_and_one_of_other_words_is_not(labels):
    found = labels("image,label,split\na.png,x,train\nb.png,y,val\nc.png,x,Testing\n")
    assert [row.part for row in found.rows] == ["train", "validation", "test"]
    found = labels("image,label,set\na.png,x,train\nb.png,y,blue\n")
    assert [row.part for row in found.rows] == [None, None]


@pytest.mark.parametrize(
    ("text", "chosen", "sentence"),
    [
        ("", {}, "is empty"),
        ("image\na.png\n", {}, "has one column"),
        ("image,x,y\na.png,1,2\n", {}, "'image', 'x', 'y'; say which one it is with data.label_column"),
        ("u,v,w\na.png,1,2\n", {}, "with data.image_column and data.label_column"),
        ("image,label,class\na.png,1,2\n", {}, "say which one it is with data.label_column"),
        ("image,label\na.png,1\n", {"label": "lable"}, "no column 'lable' (data.label_column); did you mean 'label'"),
        ("a.png,1\n", {"label": "7"}, "it has no heading: say 1 to 2"),
        ("image,label\na.png,1\nb.png\n", {}, "line 3 of .* lacks an image or a label"),
        ("image,label\na.png,\n", {}, "line 2 of .* lacks"),
        ("image,label\n" + "".join(f"{n}.png,{n}\n" for n in range(9)), {}, "9 different labels for 9 images"),
        (b"image,label\n\xff\xfe.png,1\n", {}, "no CSV in UTF-8"),
        ('image,label\n"a.png,1\n', {}, "no CSV in UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_may_be_read_in_two_ways_is_refused_with_a_sentence(
    labels, text, chosen, sentence
):
    with pytest.raises(DataUnavailable) as caught:
        labels(text, **chosen)
    for part in sentence.split(" .* "):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "labels.csv").touch()
    with pytest.raises(DataUnavailable, match=r"check data.labels.* 'labels.csv'"):
        read_labels(tmp_path / "label.csv", SUFFIXES, image_column=None, label_column=None)


@pytest.fixture
def files(tmp_path):
    names = ("a.png", "sub/a.png", "sub/b.png", "two/b.png", "x/y/c.jpg")
    return Files(tmp_path, [tmp_path / name for name in names])


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("sub/a.png", "sub/a.png"),
        ("two\\b.png", "two/b.png"),
        ("c", "x/y/c.jpg"),
        ("y/c.jpg", "x/y/c.jpg"),
    ],
)
def test_an_image_is_found_by_the_end_of_its_path(files, labels, tmp_path, image, file):
    ((found, row),) = files.matched(labels(f"image,label\n{image},cat\n"))
    assert (found, row.label) == (tmp_path / file, "cat")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["b.png,1"], "may mean"),
        (["q.png,1"], "1 of 1 images are not below"),
        (["../a.png,1"], "not below"),
        (["/a.png,1"], "not below"),
        (["other/a.png,1"], "not below"),
        (["a.png,1", "a.png,2", "c,1", "sub/a.png,2"], "says '2' of .*a.png, and line 2 '1'"),
    ],
)
def test_an_image_that_is_not_there_or_has_two_labels_is_refused(files, labels, lines, sentence):
    with pytest.raises(DataUnavailable, match=sentence):
        files.matched(labels("image,label\n" + "\n".join(lines)))
