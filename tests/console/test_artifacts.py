"""The files that a program kept with its run: in the facts, and as pictures."""

import os

import numpy as np
import pytest

import revconsole
from revconsole.lab import given_facts
from revconsole.lab.artifact_pictures import picture
from revconsole.records.findings.samples import Picture
from revconsole.records.runs.artifacts import MOST_BYTES, kept


@pytest.fixture
def recorded(store, tmp_path):
    """The id of a run with two images, a text, a damaged image and a link."""
    with revconsole.record("loop", store=store.root) as run:
        run.log(1, loss=0.5)
        for shade in (0, 255):
            run.image(f"shade{shade}", np.full((8, 8), shade, np.uint8))
        note = tmp_path / "note.txt"
        note.write_text("hello")
        run.artifact(note)
    run_id = store.list()[0].id
    folder = store.folder(run_id) / "artifacts"
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "link.png").symlink_to("/etc/hostname")
    for number, name in enumerate(("shade0-1.png", "shade255-1.png", "note.txt", "broken.png")):
        os.utime(folder / name, (1000 + number, 1000 + number))
    return run_id


def test_artifacts_are_listed_newest_first_without_links_and_images_become_pictures(
    store, recorded
):
    found = kept(store.folder(recorded))
    assert [each.name for each in found] == [
        "broken.png",
        "note.txt",
        "shade255-1.png",
        "shade0-1.png",
    ]
    assert [each.is_image for each in found] == [True, False, True, True]
    white = picture(found[2], 16)
    assert isinstance(white, Picture)
    assert (len(white.rows), white.rows[0][0], white.caption) == (16, (255, 255, 255), "shade255-1")
    assert isinstance(picture(found[0], 16), str)
    with found[3].path.open("ab") as file:
        file.truncate(MOST_BYTES + 1)
    assert not kept(store.folder(recorded))[0].is_image
    assert dict(given_facts.pairs(store.read(recorded)))["artifacts"].startswith(
        "shade0-1.png, broken.png"
    )
    assert kept(store.root) == ()


async def test_the_key_of_samples_shows_the_artifacts_of_a_recorded_run(opened, recorded):
    async with opened(80, 24, runs=[recorded]) as stage:
        await stage.shows("loop")
        await stage.press("v")
        await stage.shows("1–2 of 2 images", "shade0-1", "shade255-1", "note.txt (", "broken.png (")
        await stage.press("n", "escape")
        await stage.hides("of 2 images")


async def test_a_recorded_run_without_artifacts_says_how_they_are_kept(opened, store):
    with revconsole.record("bare", store=store.root) as run:
        run.log(1, loss=0.5)
    async with opened(80, 24, runs=[store.list()[0].id]) as stage:
        await stage.shows("bare")
        await stage.press("v")
        await stage.shows("no file was kept with it")
