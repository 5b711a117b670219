"""Images in tables: parquet and the Arrow files of `save_to_disk`, and the same images as in folders."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from revconsole.data import open_data
from revconsole.errors import DataUnavailable
from revconsole.records.pictures import cells
from revconsole.records.sections import Data

CLASSES = ("cat", "dog", "emu")
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": list(CLASSES), "_type": "ClassLabel"},
}


def image(number):
    file = io.BytesIO()
    draw = np.random.default_rng(number)
    Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def of_hub(labels, first=0):
    """A table as Hugging Face's `datasets` writes it."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": image(first + n), "path": None} for n in range(len(labels))], kind)
    table = pa.table({"image": images, "label": pa.array(labels, pa.int64())})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})  # fmt: skip


def to_disk(table, folder):
    folder.mkdir(parents=True)
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:  # fmt: skip
        writer.write_table(table, max_chunksize=5)
    (folder / "state.json").write_text("{}")


@pytest.fixture
def opened(tmp_path):
    """A function: a folder as a run opens it."""

    def made(folder, **changes):
        usual = {"dataset": "imagefolder", "folder": str(folder), "image_size": 8}
        return open_data(Data(**usual | changes), folder=tmp_path / "data", device="cpu")

    return made


@pytest.fixture
def labels():
    return sorted(n % 3 for n in range(30))


@pytest.fixture
def in_folders(tmp_path, opened, labels):
    """The fingerprint of the same images in a folder for each class, in the same order."""
    for number, label in enumerate(labels):
        file = tmp_path / "folders" / CLASSES[label] / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image(number))
    return opened(tmp_path / "folders").fingerprint


def test_images_in_parquet_are_those_of_the_folders(tmp_path, opened, labels, in_folders):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    table = of_hub(labels)
    for n, part in enumerate((table[:13], table[13:])):
        parquet.write_table(part, tmp_path / f"hub/data/train-0000{n}-of-00002.parquet", row_group_size=4)  # fmt: skip
    parquet.write_table(of_hub([0, 1]), tmp_path / "hub/data/unsupervised-00000-of-00001.parquet")
    data = opened(tmp_path / "hub")
    assert (data.fingerprint, data.names) == (in_folders, CLASSES)
    assert "30 images (30 PNG 8-bit RGB)" in data.read
    assert "passed over: 2 rows of unsupervised" in data.read
    assert opened(tmp_path / "hub", place="disk").fingerprint == in_folders


def test_images_of_save_to_disk_are_those_of_the_folders(tmp_path, opened, labels, in_folders):
    to_disk(of_hub(labels), tmp_path / "alone")
    assert opened(tmp_path / "alone").fingerprint == in_folders
    assert cells.table(tmp_path / "alone" / "data-00000-of-00001.arrow").rows == 30


def test_the_splits_of_a_dictionary_are_the_parts(tmp_path, opened, labels):
    to_disk(of_hub(labels), tmp_path / "dict" / "train")
    to_disk(of_hub([0, 1, 2, -1], first=30), tmp_path / "dict" / "test")
    (tmp_path / "dict" / "dataset_dict.json").write_text("{}")
    data = opened(tmp_path / "dict")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [27, 3, 3]
    assert data.test.labels.tolist() == [0, 1, 2]
    assert "passed over: 1 without a label" in data.read


def plain(tmp_path, **columns):
    (tmp_path / "plain").mkdir()
    parquet.write_table(pa.table(columns), tmp_path / "plain" / "pictures.parquet")
    return tmp_path / "plain"


def test_a_plain_table_has_bytes_and_words(tmp_path, opened):
    words = ["b", "a"] * 8
    folder = plain(tmp_path, picture=[image(n) for n in range(16)], breed=words, note=words)
    data = opened(folder)
    assert data.names == ("a", "b")
    assert opened(folder, label_column="note").fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("columns", "settings", "sentence"),
    [
        ({"label": ["a", "b"]}, {}, "has the columns label; say which one it is with data.image_column"),
        ({"x": [b"1"], "y": [b"2"], "label": ["a"]}, {}, "has the columns x, y; say which"),
        ({"x": [b"1"], "label": ["a"]}, {"label_column": "lable"}, "no column 'lable' .data.label_column.*did you mean 'label'"),
        ({"x": [b"1", b"2"] * 4, "label": ["a", "b"] * 4}, {}, "8 of 8 images cannot be read: .*pictures.parquet row 0 .it is no image"),
        ({"x": [None, b"2"] * 4, "label": ["a", "b"] * 4}, {"on_bad_image": "skip"}, "no readable test image|has 0 readable"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_it_should_be_gets_one_sentence(
    tmp_path, opened, columns, settings, sentence
):
    with pytest.raises(DataUnavailable, match=sentence):
        opened(plain(tmp_path, **columns), **settings)


def test_a_damaged_table_and_columns_without_one_are_refused(tmp_path, opened):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "train.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DataUnavailable, match=r"train.parquet is damaged or no table"):
        opened(tmp_path / "odd")
    (tmp_path / "odd" / "train.parquet").rename(tmp_path / "odd" / "weird-00000-of-00001.parquet")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "odd" / "other.parquet")
    with pytest.raises(DataUnavailable, match=r"none of the tables of .*other, weird"):
        opened(tmp_path / "odd")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataUnavailable, match="holds no tables, so it has no columns"):
        opened(tmp_path / "bare", label_column="x")
