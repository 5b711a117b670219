"""Predictions of a run's best network: of its own splits, of files, of another dataset, and the picture of its attention."""

import numpy as np
import pytest
import torch
from PIL import Image

from revconsole.errors import DataUnavailable, UnknownName, WrongState
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.questions import attention_picture
from revconsole.training.questions.mistakes import mistakes
from revconsole.training.questions.predictions import images_of, opened, predictions, with_channels

SAME_TERMS = 1e-6
"""Softmax in float32 and in float64."""


def unsaid(_sentence):
    raise AssertionError("a few images are no progress")


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def trained(small, runner, known, tmp_path_factory):
    """(network, folder of data, test accuracy that the run reported), trained once for this file."""
    if not known:
        lasting = type(runner)(tmp_path_factory.mktemp("runs"))
        plan = small(train={"epochs": 1})
        log = lasting(plan)
        reopened = opened(plan, lasting.checkpoints(), data=lasting.folder)
        known["run"] = reopened, lasting.folder, log.ending.values["test_accuracy"]
    return known["run"]


@pytest.fixture
def predicted(trained):
    reopened, data, _ = trained
    return lambda source: predictions(reopened, images_of(reopened, source, data=data, say=unsaid))


def test_the_accuracy_on_the_test_images_is_what_the_run_reported(trained, predicted):
    reopened, _, reported = trained
    found = predicted("test")

    assert found.accuracy == pytest.approx(reported)
    assert len(found.wrong) == round(len(found.images) * (1 - reported))
    sure = [each.called(found.classes)[1] for each in found.wrong]
    assert sure == sorted(sure, reverse=True)
    counts = np.array(found.confusion)
    assert counts.sum() == len(found.images)
    assert counts.trace() / counts.sum() == pytest.approx(reported)
    split = reopened.state.data.test
    assert counts.sum(axis=1).tolist() == torch.bincount(split.labels).tolist()


def test_probabilities_are_the_softmax_of_the_logits(trained, predicted):
    reopened = trained[0]
    split, preparation = reopened.state.data.test, reopened.state.data.test.preparation
    shift, scale = (
        getattr(preparation.standardisation, each).item() for each in ("shift", "scale")
    )
    pixels = torch.from_numpy((split.images[:3].numpy().astype(np.float32) - shift) / scale)
    with torch.inference_mode():
        logits = reopened.state.model.eval()(pixels).double().numpy()
    powers = np.exp(logits)

    shares = np.array([each.shares for each in predicted("test").images[:3]])

    np.testing.assert_allclose(shares, powers / powers.sum(1, keepdims=True), atol=SAME_TERMS)


def test_files_in_folders_of_classes_are_what_the_same_images_of_the_split_are(
    trained, predicted, tmp_path
):
    split = trained[0].state.data.test
    for number in range(6):
        folder = tmp_path / (str(split.labels[number].item()) if number < 4 else "[b]else")
        folder = folder / "deeper" if number == 3 else folder
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.images[number, 0].numpy()).save(folder / f"{number}.png")
    for torn in ("torn.png", "._torn.png", "__MACOSX/torn.png"):
        (tmp_path / torn).parent.mkdir(exist_ok=True)
        (tmp_path / torn).write_bytes(b"\x89PNG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "link.png").symlink_to(tmp_path / "[b]else" / "4.png")

    found = predicted(str(tmp_path))

    of_split = {str(n): each for n, each in enumerate(predicted("test").images)}
    assert len(found.images) == 6
    for each in found.images:
        number = each.image.rpartition("/")[2].removesuffix(".png")
        assert each.shares == pytest.approx(of_split[number].shares, abs=SAME_TERMS)
        assert each.truth == (of_split[number].truth if int(number) < 4 else None)
    assert [name for name, _ in found.left_out] == ["torn.png"]
    assert len(found.known) == 4


def test_another_dataset_is_predicted_in_the_size_and_channels_of_the_run(predicted):
    found = predicted("synthetic")

    assert found.images
    assert all(abs(sum(each.shares) - 1) < SAME_TERMS * 10 for each in found.images)
    assert {each.truth for each in found.images} <= {*found.classes, None}


def test_mistakes_are_the_surest_wrong_test_images_with_what_they_are_and_are_called(
    trained, predicted
):
    reopened, data, reported = trained
    found = mistakes(reopened.state.plan, CheckpointStore(data / "run"), data=data, side=8)

    assert (found.images, found.wrong) == (360, round(360 * (1 - reported)))
    surest = predicted("test").wrong[0]
    name, share = surest.called(predicted("test").classes)
    assert found.pictures[0].caption == f"{surest.truth}→{name} {share:.0%}"
    pixels = reopened.state.data.test.images[int(surest.image.removeprefix("test ")), 0]
    assert [[colour[0] for colour in row] for row in found.pictures[0].rows] == pixels.tolist()


def test_a_source_that_is_none_is_one_sentence(predicted, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image")
    for source, raised, sentence in (
        (
            "digist",
            UnknownName,
            "no file, folder, split or dataset 'digist'; did you mean 'digits'",
        ),
        (str(tmp_path / "empty"), DataUnavailable, "has no image"),
        (str(tmp_path / "text.png"), DataUnavailable, "can be read"),
    ):
        with pytest.raises(raised, match=sentence):
            predicted(source)


def test_grey_and_colour_become_each_other_and_nothing_else():
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [10, 20, 30]], dtype=torch.uint8)
    grey = with_channels(colours.view(3, 3, 1, 1), 1).flatten().tolist()
    assert grey == [76, 150, 18]  # 0.299 R + 0.587 G + 0.114 B, rounded
    assert with_channels(torch.ones(2, 1, 4, 4, dtype=torch.uint8), 3).shape == (2, 3, 4, 4)
    with pytest.raises(WrongState, match="sees 1 channel, and these images have 2"):
        with_channels(torch.zeros(1, 2, 1, 1), 1)


def test_a_learner_without_labels_calls_nothing(small, runner):
    with pytest.raises(WrongState, match="names no class"):
        opened(small(objective={"name": "mae"}), runner.checkpoints(), data=runner.folder)


def test_the_picture_shows_images_and_below_them_how_much_of_each_patch_is_looked_at(
    trained, tmp_path, monkeypatch
):
    reopened, data, _ = trained
    monkeypatch.setattr(attention_picture, "MOST_IMAGES", 2)
    pictured = images_of(reopened, "test", data=data, say=unsaid)

    attention_picture.draw(reopened, pictured, tmp_path / "a.png")

    levels = np.asarray(Image.open(tmp_path / "a.png")).astype(float)[..., 0]
    side, frame = 192, attention_picture.FRAME
    assert levels.shape == (2 * (side + 2 * frame), 2 * (side + 2 * frame))
    upper = levels[frame : frame + side, frame : frame + side]
    lower = levels[3 * frame + side : 3 * frame + 2 * side, frame : frame + side]
    with np.errstate(invalid="ignore", divide="ignore"):
        light = np.where(upper > 100, lower / upper, np.nan)
    patches = [light[r : r + 96, c : c + 96] for r in (0, 96) for c in (0, 96)]
    shown = [patch[~np.isnan(patch)] for patch in patches if not np.isnan(patch).all()]
    assert all(np.ptp(patch) < 0.02 for patch in shown)  # one light for a patch, to the grey level
    assert max(patch.mean() for patch in shown) <= 1.0
