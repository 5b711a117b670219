"""Storages as lines over images, from one recording, against recordings of the same step with other numbers of images."""

import pytest

from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.foresee import NOTE, recorded, recordings_of, step_memory
from revconsole.training.foresee.live_bytes import Recording, segments_of
from revconsole.training.foresee.pairing import paired
from revconsole.training.foresee.shapes import shapes

LARGE, SMALL = 17, 12
VIT = {"architecture": "vit", "patch": 8, "dim": 32, "depth": 2, "heads": 2}
SIGNS = 3 * 8 * VIT["depth"] * (LARGE + SMALL)
"""Bytes of the signs of bdia, which every micro-batch draws for the whole batch."""


def planned(**sections):
    table = {"name": "small", "data": {"dataset": "synthetic"}, "model": VIT} | sections
    return Plan.model_validate(table)


def grown(recording: Recording, pairing) -> list[float]:
    """The size of every storage with the images of another recording."""
    segments, found = segments_of(recording.step), []
    for number, (call, segment) in enumerate(zip(recording.step.calls, segments, strict=True)):
        images = {1: LARGE, 2: SMALL}.get(segment, 0)
        if number < pairing.prologue:
            images = LARGE + SMALL
        found += [pairing.fixed[made] + pairing.per_image[made] * images for made in call.made]
    return found


@pytest.mark.parametrize(
    ("sections", "but_for"),
    [
        ({}, 0),
        ({"backward": "checkpointed", "train": {"precision": "bf16", "clip": 1.0}}, 0),
        ({"backward": "reversible", "scheme": {"name": "momentum", "grid_bits": 9}}, 0),
        ({"backward": "reversible", "scheme": {"name": "bdia"}}, SIGNS),
        ({"data": {"dataset": "synthetic", "mixup": 0.2, "cutmix": 0.5}}, 0),
        ({"objective": {"name": "mae"}}, 0),
        ({"objective": {"name": "dino"}, "model": VIT | {"depth": 1}}, 0),
        # the gradient of a depthwise weight is laid out otherwise, so autograd copies the first one
        ({"model": {"architecture": "conformer", "depth": 1, "dim": 32, "heads": 2}}, 0),
        ({"model": {"architecture": "timm", "name": "convnext_atto"}}, 0),
    ],
)
def test_the_line_of_every_storage_is_what_other_numbers_of_images_take(sections, but_for):
    with shapes(planned(**sections), "cpu") as state:
        (recording,) = recordings_of(state, 1)
        pairing = paired(recording)
        other = recorded(state, (LARGE, SMALL), 1)
    assert [c.name for c in other.step.calls] == [c.name for c in recording.step.calls]
    sizes = zip(grown(recording, pairing), other.step.sizes, strict=True)
    assert sum(abs(line - size) for line, size in sizes) <= but_for


@pytest.mark.parametrize(
    ("operators", "recordings", "note"),
    [(lambda _: 2, 1, ""), (lambda images: images > 3, 2, ""), (lambda images: images, 2, NOTE)],
    ids=["always as many", "more from some number on", "more with each image"],
)
def test_operators_that_depend_on_the_number_of_images(operators, recordings, note):
    """Recorded again with more images; if even then they differ, the lines are those of the peaks, which a note says."""

    def more(_, inputs):
        images, *others = inputs
        for _ in range(operators(len(images))):
            images = images.add(1)
        return (images, *others)

    with shapes(planned(), "cpu") as state:
        state.model.register_forward_pre_hook(more)
        found = recordings_of(state, 1)
    assert len(found) == recordings
    assert step_memory(found, "cpu").note == note
