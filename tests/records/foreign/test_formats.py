"""What the tools logged comes back: the values are those of the formulas that made/README.md gives."""

import shutil
import sqlite3
import struct
from contextlib import closing
from math import exp, inf, isnan
from pathlib import Path

import pytest

from revconsole.records.foreign.foreign_tail import ForeignTail
from revconsole.records.foreign.found import search
from revconsole.records.runs.run import Run

from .conftest import read_all
from .test_damaged import events, record, scalar

FLOAT32 = 1e-6
"""TensorBoard keeps float32."""


def points(run: Run, name: str) -> dict[int, float]:
    series = run.series[name]
    return dict(zip(series.steps, series.values, strict=True))


def test_tensorboard_of_torch(made: Path) -> None:
    runs = read_all(made / "tensorboard")
    run = runs["cifar"]

    assert runs.keys() == {"cifar", "newer-api"}  # what add_hparams made is no run of its own
    assert points(run, "loss") == pytest.approx(
        {s: 2.3 * exp(-s / 20) for s in range(1, 41)}, rel=FLOAT32
    )
    assert points(run, "learning_rate") == pytest.approx(
        {s: 0.1 * (1 - s / 40) for s in range(1, 41)}, rel=FLOAT32
    )
    accuracy = {s: 1 - exp(-s / 25) for s in (10, 20, 30, 40)}
    assert points(run, "validation_accuracy") == pytest.approx(accuracy, rel=FLOAT32)
    assert run.summary.best_validation_accuracy == pytest.approx(accuracy[40], rel=FLOAT32)
    assert dict(run.summary.given) == {"lr": 0.1, "batch": 64, "net": "resnet18", "nesterov": 1}
    assert run.summary.state == "finished"  # the hparams plugin says so
    assert (
        run.series["loss"].metric.meaning == "As TensorBoard recorded it, there called train/loss."
    )


def test_tensorboard_of_its_newer_api(made: Path) -> None:
    run = read_all(made / "tensorboard")["newer-api"]

    assert points(run, "loss") == pytest.approx({s: 1 / (s + 1) for s in range(20)}, rel=FLOAT32)
    assert run.summary.state == "finished"
    assert (
        run.summary.reason
        == "nothing new for 60 minutes; TensorBoard does not record how a run ends"
    )


def test_wandb(made: Path) -> None:
    run = read_all(made / "wandb")["vit-small"]
    rows = [("train", s) for s in range(40)]
    for place, s in ((10, 9), (21, 19), (32, 29), (43, 39)):
        rows.insert(place, ("val", s))

    assert points(run, "loss") == pytest.approx(
        {step: 2 * exp(-s / 20) for step, (of, s) in enumerate(rows) if of == "train"}
    )
    validated = [s for of, s in rows if of == "val"]
    assert points(run, "validation_accuracy") == pytest.approx(
        {epoch: 1 - exp(-s / 30) for epoch, s in enumerate(validated, 1)}
    )  # define_metric("val/*", step_metric="epoch")
    assert run.series["validation_accuracy"].metric.meaning.endswith(
        "Its steps are those of epoch."
    )
    assert isnan(run.series["odd"].values[0])
    assert run.series["huge"].values == [inf]
    assert run.summary.given["model.depth"] == 6
    assert (run.summary.state, run.summary.tags, run.summary.note) == (
        "finished",
        ("try",),
        "first",
    )


def test_metrics_of_wandb_stand_at_the_values_of_their_own_axes(made: Path) -> None:
    run = read_all(made / "wandb-axes")["own-axes"]

    assert points(run, "loss") == pytest.approx({s: 1 / (s + 1) for s in range(6)})
    assert points(run, "tokens_loss") == pytest.approx({1000 * s: 2 - s / 10 for s in range(6)})
    assert points(run, "validation_accuracy") == pytest.approx({1: 0.6, 2: 0.75})
    assert points(run, "val/late") == {2: 3.0}  # its row had no epoch: wandb gave it the newest
    assert run.summary.step == 6  # of the run, not the 5,000 tokens
    assert run.series["tokens_loss"].metric.meaning.endswith("Its steps are those of tokens.")
    assert list(points(run, "best").values()) == [0.75]  # set in the summary alone


def test_what_wandb_kept_beside_numbers_is_counted_and_what_was_printed_is_there(
    made: Path,
) -> None:
    runs = read_all(made / "wandb") | read_all(made / "wandb-axes")

    assert runs["own-axes"].log[-1].text == (
        "recorded by W&B and not shown here: 1 artifact, 1 histogram, 1 image, 1 table"
    )
    assert runs["own-axes"].output[0].text == "hello from the training"
    assert not {name for name in runs["own-axes"].series if name.startswith(("img", "h.", "t."))}
    assert runs["vit-small"].output == ()
    cifar = read_all(made / "tensorboard")["cifar"]
    assert cifar.log[-1].text.endswith("not shown here: 1 histogram, 1 text")


def test_trackios_own_file_is_followed_while_it_is_written(made: Path) -> None:
    folder = made / "trackio-db"
    path = folder / "digits.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.executescript((folder / "digits.sql").read_text())
        writer.commit()
    before = sorted(folder.iterdir())

    runs = read_all(folder)

    assert points(runs["one"], "loss") == pytest.approx({s: exp(-s / 5) for s in range(20)})
    assert points(runs["two"], "loss") == pytest.approx({10 * s: exp(-s / 3) for s in range(12)})
    assert dict(runs["one"].summary.given) == {"lr": 0.1, "model.depth": 3}
    assert isnan(runs["one"].series["n"].values[0])
    assert runs["one"].series["i"].values == [inf]
    assert runs["one"].log[-1].text == "recorded by trackio and not shown here: 1 image"
    assert sorted(folder.iterdir()) == before  # nothing was made beside it

    (found,) = (
        each for each in search(folder, "x").runs if "two" in ForeignTail(each).run().summary.name
    )
    tail = ForeignTail(found)
    with closing(sqlite3.connect(path)) as writer:
        tail.run()
        run = writer.execute("SELECT run_id FROM metrics WHERE run_name = 'two'").fetchone()[0]
        row = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, 'two', ?, ?)"
        writer.execute(row, (run, "2026-11-29T20:56:00+00:00", 120, '{"train/loss": 0.5}'))
        writer.commit()  # it stands beside the file as yet
        assert points(tail.run(), "loss")[120] == 0.5
        writer.execute(row, (run, "2026-11-29T20:56:00+00:00", 130, "[]"))
        writer.execute("DELETE FROM metrics WHERE run_name = 'two' AND step < 100")
        writer.commit()
        after = tail.run()
    assert after.series["loss"].steps == [100, 110, 120]
    assert after.summary.damaged_lines == 1
    shutil.copy(made / "trackio" / "digits.parquet", folder)
    assert len(search(folder, "x").runs) == 2  # its export of the same runs is left out


def test_a_damaged_file_of_trackio_is_said(made: Path) -> None:
    path = made / "trackio-db" / "digits.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.executescript((made / "trackio-db" / "digits.sql").read_text())
    whole = path.read_bytes()
    for damaged in (
        whole[:5000],
        whole[:-5000] + bytes(5000),
        whole[:300] + b"x" * 4000 + whole[4300:],
    ):
        path.write_bytes(damaged)
        for run in read_all(path.parent).values():
            assert run.log or run.series["loss"].length
    path.write_bytes(whole[:5000])
    (run,) = read_all(path.parent).values()
    assert (run.summary.state, run.summary.name) == ("damaged", "digits.db")


def test_mlflow(made: Path) -> None:
    runs = read_all(made / "mlruns")
    good, broken = runs["svm-like"], runs["broken"]

    assert points(good, "loss") == pytest.approx({s: exp(-s / 10) for s in range(30)})
    assert points(good, "validation_accuracy") == pytest.approx(
        {s: 1 - exp(-s / 10) for s in (9, 19, 29)}
    )
    assert dict(good.summary.given) == {
        "lr": 0.01,
        "depth": 4,
        "optimizer": "adamw",
        "tags.team": "vision",
    }
    assert (good.summary.state, broken.summary.state) == ("finished", "failed")
    assert broken.summary.loss is not None
    assert isnan(broken.summary.loss)


def test_what_mlflow_has_deleted_is_archived_and_its_models_are_no_runs(made: Path) -> None:
    (folder,) = (path.parents[1] for path in made.glob("mlruns/*/*/params/optimizer"))
    meta = folder / "meta.yaml"
    meta.write_text(meta.read_text().replace("lifecycle_stage: active", "lifecycle_stage: deleted"))
    shutil.copytree(folder, folder.parent / "models" / "m-1")

    runs = read_all(made / "mlruns")

    assert len(search(made / "mlruns", "x").runs) == 2
    assert {name: run.summary.archived for name, run in runs.items()} == {
        "svm-like": True,
        "broken": False,
    }


def test_timm(made: Path) -> None:
    run = read_all(made / "timm")["20240101-101010-vit_tiny"]

    assert points(run, "validation_accuracy") == pytest.approx(
        {e + 1: 0.2 + 0.1 * e for e in range(5)}
    )
    assert points(run, "loss") == pytest.approx({e + 1: 2 * exp(-e / 3) for e in range(5)})
    assert run.summary.best_validation_loss == pytest.approx(1.9 * exp(-4 / 3))
    assert run.summary.given["model"] == "vit_tiny_patch16_224"


def test_keras_and_lightning(made: Path) -> None:
    keras = read_all(made / "keras")["training.csv"]
    lightning = read_all(made / "lightning_logs")["version_0"]

    assert keras.series["validation_accuracy"].steps == [1, 2, 3, 4, 5, 6]
    assert keras.series["loss"].values[0] == 0.8862698674201965  # as the file has it
    assert lightning.series["loss"].steps == list(range(1, 32, 2))
    assert lightning.series["validation_accuracy"].steps == [7, 15, 23, 31]
    assert dict(lightning.summary.given) == {"lr": 0.01, "width": 8}


def test_a_trainer_of_hugging_face_is_one_run_with_its_newest_history(made: Path) -> None:
    runs = read_all(made)
    run = runs["trainer"]

    assert points(run, "loss")[4] == 0.7297050952911377
    assert run.series["validation_accuracy"].steps == [8, 16, 24, 32]
    assert (run.summary.state, run.summary.steps) == ("finished", 32)
    assert not any("checkpoint" in name for name in runs)
    (made / "trainer" / "trainer_state.json").unlink()
    assert read_all(made)["trainer"].summary.step == 32  # of the newest checkpoint


def test_parquet_of_trackio_and_neptune(made: Path) -> None:
    pytest.importorskip("pyarrow")
    runs = read_all(made)
    neptune = runs["first-run"]

    assert points(runs["one"], "loss") == pytest.approx({s: exp(-s / 5) for s in range(20)})
    assert points(runs["two"], "loss") == pytest.approx({s: exp(-s / 3) for s in range(12)})
    assert dict(runs["two"].summary.given) == {"lr": 0.2, "depth": 3}
    assert points(neptune, "metrics/train_loss") == pytest.approx(
        {s: exp(-s / 8) for s in range(25)}
    )
    assert points(neptune, "metrics/tokens_loss") == pytest.approx(
        {s: 1 / (s + 1) for s in range(5)}
    )
    assert any("have fractions" in line.text for line in neptune.log)
    assert neptune.summary.seconds == 240
    assert neptune.summary.tags == ("baseline", "vit")


def test_without_pyarrow_a_sentence_says_what_to_install(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    run = read_all(made / "trackio")["digits.parquet"]

    assert run.summary.state == "damaged"
    assert run.summary.reason.endswith(
        "reading parquet needs pyarrow: pip install 'revconsole[parquet]'"
    )


def test_every_run_has_an_id_of_its_own_that_stays(made: Path) -> None:
    before = [found.id for found in search(made, str(made)).runs]

    assert len(set(before)) == len(before) >= 11
    assert [found.id for found in search(made, str(made)).runs] == before


def test_an_accuracy_in_percent_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,val_acc,test_acc\n1,0.8,80\n2,0.9,90\n")

    (run,) = read_all(tmp_path).values()

    assert run.series["validation_accuracy"].values == [0.8, 0.9]
    assert run.series["test_acc"].values == [80, 90]
    assert run.summary.test_accuracy is None


def test_steps_in_disorder_are_put_in_order(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n3,0.3\n1,0.1\n2,0.2\n1,0.15\n")

    (run,) = read_all(tmp_path).values()

    assert points(run, "loss") == {1: 0.15, 2: 0.2, 3: 0.3}
    assert run.series["loss"].values == [0.1, 0.15, 0.2, 0.3]


def test_a_run_that_began_again_at_a_step_has_its_points_once(tmp_path: Path) -> None:
    session = b"\x09" + struct.pack("<d", 1.7e9) + b"\x10\x04\x3a\x02\x08\x01"
    content = b"".join(scalar(b"loss", step, 1.0) for step in range(1, 8))
    events(tmp_path / "run", content + record(session) + scalar(b"loss", 4, 2.0))

    (run,) = read_all(tmp_path).values()

    assert points(run, "loss") == {1: 1.0, 2: 1.0, 3: 1.0, 4: 2.0}
