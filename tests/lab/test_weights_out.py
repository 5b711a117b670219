"""An export's folder: it appears whole, with a card that says where the network is from, or not at all."""

import errno

import pytest

from revconsole.errors import NotExported, RevconsoleError, StoreError
from revconsole.lab import weights_out
from revconsole.lab.exports import BadTarget
from revconsole.records.findings.exported import Exported
from revconsole.records.logs.events import Finished, Started
from revconsole.records.settings.plan import Plan

FINGERPRINT = "5f" * 32


class Torch:
    """Stands for what writes the weights: it writes one file, then raises what it was given, if anything."""

    def __init__(self, error=None):
        self.error = error

    def exported(self, store, run_id, *, to, folder):
        (folder / "model.safetensors").write_bytes(b"weights")
        if self.error is not None:
            raise self.error
        return Exported(
            to=to, of="timm 1", step=7, channels=3, side=32, width=32, names=("a|b", "<b>c</b>"), preparation="a transform",
            loading=("import timm",), images=4, difference=2.5e-7,
        )  # fmt: skip


@pytest.fixture
def run_id(store):
    made = store.create(Plan(name="`x`|y", seed=3, scheme={"name": "bdia"}), {})
    attempt = store.claim(made, 1)
    attempt.emit(Started(facts={"fingerprint": FINGERPRINT, "parameters": 1234}))
    attempt.emit(Finished(outcome="completed", step=20, values={"test_accuracy": 0.5}))
    attempt.close()
    return made


def export(monkeypatch, store, run_id, folder, error=None):
    monkeypatch.setattr(weights_out, "training", Torch(error))
    return weights_out.export_run(store, run_id, folder, to="timm")


def test_the_card_has_data_metrics_classes_and_how_it_was_compared(
    monkeypatch, store, run_id, tmp_path
):
    export(monkeypatch, store, run_id, tmp_path / "out")

    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "README.md",
        "model.safetensors",
    ]
    card = (tmp_path / "out" / "README.md").read_text()
    for part in (FINGERPRINT, "50.00%", "not measured", "1,234", f"{run_id}, seed 3", "scheme bdia",
                 "import timm", "2.5e-07", "a\\|b", "step 7"):  # fmt: skip
        assert part in card, part
    assert "<b>" not in card


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (NotExported("no"), NotExported),
        (OSError(errno.ENOSPC, "No space left on device"), StoreError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["refused", "a full disk", "interrupted"],
)
def test_nothing_is_left_of_an_export_that_failed(
    monkeypatch, store, run_id, tmp_path, error, raised
):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(raised):
        export(monkeypatch, store, run_id, tmp_path / "out", error)

    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_exists_or_cannot_be_is_one_sentence(monkeypatch, store, run_id, tmp_path):
    (tmp_path / "there").mkdir()
    for folder, raised, sentence in (
        (tmp_path / "there", BadTarget, "exists: choose a new folder"),
        (tmp_path / "none" / "out", StoreError, "there is no folder"),
    ):
        with pytest.raises(raised, match=sentence) as refusal:
            export(monkeypatch, store, run_id, folder)
        assert isinstance(refusal.value, RevconsoleError)


def test_what_a_killed_export_left_is_removed_by_the_next_of_that_name_and_nothing_else(
    monkeypatch, store, run_id, tmp_path
):
    left, other, writing = (tmp_path / f".{name}" for name in ("out.part-1", "outer.part-1", "out.part-2"))  # fmt: skip
    for folder in (left, other, writing):
        folder.mkdir()
        (folder / "model.safetensors").touch()
    with weights_out._locked(writing):
        export(monkeypatch, store, run_id, tmp_path / "out")

    assert [folder.exists() for folder in (left, other, writing)] == [False, True, True]
