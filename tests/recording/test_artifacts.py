"""Files and images that a program keeps are in the folder of its run, and nowhere else."""

import numpy as np
import pytest
import torch
from PIL import Image

import revconsole
from revconsole.recording.artifacts import file_name


@pytest.fixture
def kept(store):
    """Keeps something with a run; returns the folder of what was kept, and the log."""

    def kept(act):
        with revconsole.record("mine", store=store.root) as run:
            run.log(7, loss=1.0)
            act(run)
        found = store.read(run.id)
        return run.folder / "artifacts", [line.text for line in found.log]

    return kept


def test_a_file_is_copied_under_a_harmless_name(kept, tmp_path):
    source = tmp_path / "weights of [mine].pt"
    source.write_bytes(b"12345")
    folder, log = kept(lambda run: run.artifact(source, "../../out\x1b[31m.pt"))

    (file,) = folder.iterdir()
    assert (file.name, file.read_bytes()) == ("out-31m.pt", b"12345")
    assert "kept artifacts/out-31m.pt (0.0 MiB)" in log


def test_of_a_file_that_finds_no_room_nothing_is_there(kept, tmp_path, monkeypatch, capsys):
    def copied_in_part(source, target):
        target.write_bytes(b"12")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("revconsole.recording.artifacts.shutil.copyfile", copied_in_part)
    (tmp_path / "weights").write_bytes(b"123")
    folder, _ = kept(lambda run: run.artifact(tmp_path / "weights"))

    assert list(folder.iterdir()) == []
    assert "No space left" in capsys.readouterr().err


def test_a_link_in_its_place_is_not_followed(kept, tmp_path):
    source, outside = tmp_path / "new", tmp_path / "outside"
    source.write_text("new")
    outside.write_text("old")

    def act(run):
        (run.folder / "artifacts").mkdir()
        (run.folder / "artifacts" / "new").symlink_to(outside)
        run.artifact(source)

    folder, _ = kept(act)
    assert (outside.read_text(), (folder / "new").read_text()) == ("old", "new")


PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS.transpose(2, 0, 1), PIXELS),
        (PIXELS[:, :, :1], PIXELS[:, :, 0]),
        (torch.tensor(PIXELS / 255.0).permute(2, 0, 1), PIXELS),
        (Image.fromarray(PIXELS), PIXELS),
    ],
    ids=["rows", "channels first", "grey", "tensor of fractions", "pillow"],
)
def test_an_image_of_any_library_is_a_png(kept, image, expected):
    folder, log = kept(lambda run: run.image("sample", image))

    assert np.array_equal(np.array(Image.open(folder / "sample-7.png")), expected)
    assert "image artifacts/sample-7.png" in log


def test_an_image_is_kept_as_it_was_when_it_was_given(kept):
    pixels = PIXELS.copy()

    def act(run):
        run.image("sample", pixels)
        pixels[:] = 0

    folder, _ = kept(act)
    assert np.array_equal(np.array(Image.open(folder / "sample-7.png")), PIXELS)


@pytest.mark.parametrize("name", ["", ".", "..", "///", "\x1b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="is no name of a file"):
        file_name(name)
