"""Images on the disk: the same as in memory in everything that a run sees of them, and what stands in their way."""

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from revconsole.data import (
    _decoding,
    _pixel_file,
    batches,
    doubts,
    evaluation_batches,
    of_classes,
    open_data,
)
from revconsole.data._stored import StoredImages
from revconsole.errors import DataUnavailable
from revconsole.records import child, host
from revconsole.records.pictures import pool, worker
from revconsole.records.sections import Data
from revconsole.records.settings import idle
from revconsole.records.settings.plan import Plan


@pytest.fixture
def pets(tmp_path):
    """Forty images of three classes, one of them damaged and one there twice."""
    draw = np.random.default_rng(0)
    for index in range(40):
        file = tmp_path / "pets" / ("cats", "dogs", "emus")[index % 3] / f"{index:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(file)
    (tmp_path / "pets" / "dogs" / "broken.png").write_bytes(b"no image")
    (tmp_path / "pets" / "cats" / "again.png").write_bytes(file.read_bytes())
    return tmp_path / "pets"


@pytest.fixture
def opened(tmp_path, pets):
    """A function: the folder as a run opens it."""

    def made(say=lambda _: None, **changes):
        usual = {"dataset": "imagefolder", "folder": str(pets), "image_size": 8, "on_bad_image": "skip", "validation": 0.25}  # fmt: skip
        return open_data(Data(**usual | changes), folder=tmp_path / "data", device="cpu", say=say)

    return made


def same(left, right):
    return all(
        len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a[-2:], b[-2:], strict=True))
        for a, b in zip(left, right, strict=True)
    )


@pytest.fixture
def here(monkeypatch):
    """The pool's processes are threads: what they do is tested once with real ones, and what follows from it in any."""

    class Here:
        def __init__(self, target, frame):
            self.target, self.frame = target, frame

        def ask(self, row, file):
            answer = BytesIO()
            with self.target.open("r+b") as content:
                question = json.dumps([row, str(file)]).encode()
                worker.serve(BytesIO(question), answer, content.fileno(), self.frame)
            return pool._read(json.loads(answer.getvalue()))

        def end(self):
            pass

    monkeypatch.setattr(pool, "_DecodingWorker", Here)


def test_everything_that_a_run_sees_is_what_it_sees_of_images_in_memory(opened, tmp_path):
    """With real processes."""
    rich = {
        "augment": "crop-flip",
        "crop_padding": 2,
        "erasing": 0.5,
        "mixup": 0.3,
        "train_limit": 30,
    }
    memory, disk = (opened(place=place, **rich) for place in ("host", "disk"))
    assert isinstance(disk.train.images, StoredImages)
    assert (disk.fingerprint, disk.read, disk.mean, disk.std, disk.names) == (
        memory.fingerprint, memory.read, memory.mean, memory.std, memory.names,
    )  # fmt: skip
    for name in ("train", "validation", "test"):
        one, other = getattr(memory, name), getattr(disk, name)
        assert torch.equal(one.images, other.images[:])
        assert same(evaluation_batches(one, batch=4), evaluation_batches(other, batch=4))
        assert same([of_classes(one, [1])], [of_classes(other, [1])])
    made = [list(batches(d.train, batch=5, seed=1, epoch=2)) for d in (memory, disk)]
    assert same(*made)
    ahead = list(batches(disk.train, batch=5, seed=1, epoch=2, first=2, prefetch=None))
    assert same(made[0][2:], ahead)
    second = list(evaluation_batches(disk.test, batch=2, first=1, every=2))
    assert [step for step, *_ in second] == [1, 3]
    assert same(list(evaluation_batches(memory.test, batch=2))[1::2], second)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["per-pixel", "zca", "none"])
def test_every_standardisation_is_fitted_to_the_same_pixels(opened, kind):
    memory, disk = (opened(place=p, standardise=kind, crop=5) for p in ("host", "disk"))
    (_, one, _), (_, other, _) = (next(iter(evaluation_batches(d.test, batch=9))) for d in (memory, disk))  # fmt: skip
    assert torch.equal(one, other)


@pytest.mark.usefixtures("here")
def test_what_is_doubtful_of_them_is_said_alike(opened, pets):
    for file in (pets / "emus").iterdir():
        file.write_bytes((pets / "cats" / "00.png").read_bytes())
    memory, disk = (list(doubts(opened(place=p), Data())) for p in ("host", "disk"))
    assert memory == disk
    assert "more than one label" in memory[0].text


@pytest.mark.usefixtures("here")
def test_they_are_decoded_once_and_again_after_a_change(opened, pets, tmp_path, monkeypatch):
    asked = []
    original = _pixel_file.DecodingPool
    monkeypatch.setattr(_pixel_file, "DecodingPool", lambda *a: asked.append(a) or original(*a))
    first = opened(place="disk")
    assert opened(place="disk").fingerprint == first.fingerprint
    assert len(asked) == 1

    def files():
        return {file.name for file in (tmp_path / "data" / "imagefolder").iterdir()}

    before, kept = files(), first.train.images[:]
    (pets / "cats" / "00.png").write_bytes((pets / "cats" / "03.png").read_bytes())
    second = opened(place="disk")
    assert second.fingerprint != first.fingerprint
    assert len(asked) == 2
    assert torch.equal(first.train.images[:], kept)  # whoever has the old ones open keeps them
    assert len(files()) == len(before) == 3  # a lock, an index, the pixels
    assert opened(place="host").fingerprint == second.fingerprint

    (pixels,) = (tmp_path / "data" / "imagefolder").glob("*.pixels")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert opened(place="disk").fingerprint == second.fingerprint
    assert len(asked) == 3


@pytest.mark.usefixtures("here")
def test_images_that_would_fill_the_memory_stay_on_the_disk_or_are_refused(opened, monkeypatch):
    needed = 42 * 3 * 8 * 8
    monkeypatch.setattr(host, "memory", lambda: (3 * needed, 10**12))
    said = []
    assert isinstance(opened(said.append).train.images, torch.Tensor)
    monkeypatch.setattr(host, "memory", lambda: (2 * needed, 10**12))
    assert isinstance(opened(said.append).train.images, StoredImages)
    assert any("they stay on the disk" in line for line in said)
    with pytest.raises(DataUnavailable, match=r"MiB of memory are free; set data.place=disk"):
        opened(place="host")


@pytest.mark.usefixtures("here")
def test_two_that_open_them_at_once_decode_them_once(opened, monkeypatch):
    asked, original = [], _pixel_file.DecodingPool
    monkeypatch.setattr(_pixel_file, "DecodingPool", lambda *a: asked.append(a) or original(*a))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: opened(place="disk").fingerprint, range(4)))
    assert len(set(found)) == len(asked) == 1


def test_a_disk_without_room_is_a_sentence_and_nothing_is_left(opened, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(DataUnavailable, match=r"cannot be kept in .*another disk"):
            opened(place="disk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [f.suffix for f in (tmp_path / "data" / "imagefolder").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9 at .*perhaps for lack of memory"),
        ("input(); print('{\"dig', end='')", "ended with code 0 at"),
        ("import sys; sys.exit(3)", "ended with code 3 at"),
    ],
)  # fmt: skip
def test_a_process_that_dies_is_a_sentence_with_the_file_that_it_was_at(
    opened, tmp_path, monkeypatch, code, words
):
    monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-S", "-c", code])
    with pytest.raises(DataUnavailable, match=words) as caught:
        opened(place="disk")
    assert ".png" in str(caught.value)
    assert [f.suffix for f in (tmp_path / "data" / "imagefolder").iterdir()] == [".lock"]


@pytest.mark.usefixtures("here")
def test_lack_of_memory_in_a_worker_is_no_fault_of_an_image(opened, monkeypatch):
    def decode(content, frame):
        raise MemoryError

    monkeypatch.setattr(_decoding, "decode", decode)
    monkeypatch.setattr("revconsole.records.pictures.file_pixels.decoded", decode)
    with pytest.raises(
        DataUnavailable, match=r"do not fit into the memory there is \(reading .*png\)"
    ):
        opened(place="disk")


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"place": "disk"}, "only a folder of images has it"), ({"place": "host"}, "needs a GPU")],
)
def test_a_place_that_means_nothing_is_refused(settings, words):
    plan = Plan.model_validate({"name": "x", "data": settings, "train": {"device": "cpu"}})
    assert words in idle.why(plan, "data.place")
