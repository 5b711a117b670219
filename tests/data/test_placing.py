"""Where images lie changes no batch; what does not fit is left where it is, or refused with the ways out.

The device `meta` stands for a GPU here: torch tells it from the CPU and refuses to mix the two, but computes nothing.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from revconsole.data import batches, evaluation_batches, moved, of_classes, open_data, unused
from revconsole.data._placing import beside_the_model
from revconsole.errors import DataUnavailable
from revconsole.records.sections import Data

MIB = 2**20
ELSEWHERE = torch.device("meta")
LARGE = 10_000  # bytes: of images, and not of labels or of a standardisation


class Full(TorchDispatchMode):
    """No room for anything large on the other device, said as CUDA's allocator says it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("device") == ELSEWHERE and args[0].nbytes > LARGE:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 19.20 GiB.")
        return func(*args, **kwargs)


def opened(folder, device=ELSEWHERE, say=lambda _: None, **settings):
    return open_data(Data(dataset="digits", **settings), folder=folder, device=device, say=say)


@pytest.mark.parametrize(
    ("place", "images", "free", "beside"),
    [
        ("auto", 25 * MIB, 100 * MIB, True),
        ("auto", 25 * MIB + 1, 100 * MIB, False),
        ("device", 99 * MIB, 100 * MIB, True),
        ("host", 1, 100 * MIB, False),
    ],
)
def test_auto_lets_the_images_take_a_quarter_of_what_is_free(place, images, free, beside):
    assert beside_the_model(place, images, free) is beside


@pytest.mark.parametrize(
    ("place", "where"), [("auto", "meta"), ("device", "meta"), ("host", "cpu")]
)
def test_images_lie_where_they_are_to_and_batches_are_made_where_the_model_is(
    tmp_path, place, where
):
    rich = {"augment": "crop-flip", "random_resized_crop": None, "mixup": 0.2, "colour_jitter": 0.1}
    data = opened(tmp_path, place=place, **rich)

    assert data.train.images.device.type == data.train.labels.device.type == where
    assert data.train.device == ELSEWHERE
    trained = next(batches(data.train, batch=8, seed=0, epoch=0))
    judged = next(iter(evaluation_batches(data.test, batch=8)))
    for _, images, labels in (trained, judged):
        assert (images.device.type, labels.device.type) == ("meta", "meta")


def test_the_fingerprint_and_every_batch_are_those_of_another_place(tmp_path):
    first, second = (opened(tmp_path, "cpu", place=p, augment="crop") for p in ("device", "host"))
    made = [list(batches(d.train, batch=64, seed=3, epoch=1)) for d in (first, second)]

    assert first.fingerprint == second.fingerprint
    for one, other in zip(*made, strict=True):
        assert torch.equal(one[1], other[1])
        assert torch.equal(one[2], other[2])
    assert torch.equal(of_classes(first.train, [3])[1], of_classes(second.train, [3])[1])


def test_images_that_do_not_fit_the_device_stay_where_they_are_and_that_is_said(tmp_path):
    said: list[str] = []
    with Full():
        data = opened(tmp_path, place="auto", say=said.append)

    assert data.train.images.device.type == "cpu"
    (sentence,) = [each for each in said if "data.place" in each]
    assert "stay in this machine's memory" in sentence


def test_images_that_do_not_fit_where_they_were_wanted_are_refused_with_what_would_help(tmp_path):
    with Full(), pytest.raises(DataUnavailable) as caught:
        opened(tmp_path, place="device")

    said = str(caught.value)
    assert "the images of digits take 0 MiB, and meta has " in said
    assert all(way in said for way in ("data.place=host", "data.train_limit", "data.image_size"))


def test_what_is_moved_is_what_it_was():
    drawn = torch.arange(6).view(2, 3)

    assert moved(drawn, torch.device("cpu")) is drawn
    assert moved(drawn, ELSEWHERE).shape == (2, 3)
    assert unused(torch.device("cpu")) > 0
