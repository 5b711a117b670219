"""Wrong input gets one sentence on stderr, an exit code, and leaves nothing behind."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.records.plan import Plan
from revconsole.records.store import RunStore

GRID = f"seeds=[{','.join(map(str, range(1001)))}]"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["train", "demo", "modle.depth=3"], 2, "command line: modle.depth: unknown key; did you mean 'model'?"),
        (["train", "demo", "model.patch=3"], 2, "patch 3 does not divide the image side of 8 pixels"),
        (["train", "demo", "model.heads=7"], 2, "7 heads do not divide dim"),
        (["train", "demo", "model.depth=-2"], 2, "model.depth: should be at least 1, not -2"),
        (["train", "demo", "model.depth=deep"], 2, "model.depth: should be a whole number, not 'deep'"),
        (["train", "demo", "scheme.name=bida"], 2, "there is no scheme 'bida'; did you mean 'bdia'?"),
        (["train", "demo", "data.dataset=cifar"], 2, "there is no dataset 'cifar'; did you mean 'cifar10'?"),
        (["train", "demo", "train.device=tpu"], 2, "should be auto, cpu, mps, cuda, or cuda:0"),
        (["train", "demo", "depth"], 2, "depth: is not a setting; write key=value"),
        (["train", "demo", GRID], 2, "the limit is 1000"),
        (["train", "dmeo"], 2, "there is no profile 'dmeo'; did you mean 'demo'?"),
        (["train", "gone.toml"], 2, "gone.toml: no such file; `revconsole profiles` lists the known ones"),
        (["show", "../secret"], 3, "answers to '../secret'; `revconsole ls` lists them"),
        (["show", "@7"], 3, "'@7' is no run"),
        (["stop", "nobody"], 3, "answers to 'nobody'"),
        (["compare", "nobody"], 3, "answers to 'nobody'"),
        (["data", "cfar10"], 2, "there is no dataset 'cfar10'; did you mean 'cifar10'?"),
        (["settings", "sheme"], 2, "there is no section 'sheme'; did you mean 'scheme'?"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_gets_one_sentence_and_starts_nothing(run, arguments, code, sentence):
    said = run(*arguments)

    assert sentence in said.err
    assert said.code == code
    assert said.err.startswith("revconsole: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not Path("runs").exists()


@pytest.mark.parametrize("name", ["--store", "REVCONSOLE_STORE"])
def test_a_store_that_cannot_be_written_says_so(run, name, monkeypatch):
    Path("file").write_text("")
    if name.startswith("--"):
        said = run("--store", "file", "train", "demo")
    else:
        monkeypatch.setenv(name, "file")
        said = run("train", "demo")

    assert said.code == 4
    assert "choose another store with --store or REVCONSOLE_STORE" in said.err


def failed_run(run, *arguments: str) -> str:
    """The reason of a run that starts and fails, which must also be in its record."""
    said = run("train", *arguments)

    assert said.code == 1, said.err
    (summary,) = RunStore(Path("runs")).list()
    assert summary.state == "failed"
    assert "Traceback" not in said.err
    return summary.reason


def test_a_dataset_that_is_not_here_says_where_to_put_it(run, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    reason = failed_run(run, "demo", "scheme.name=residual", "data.dataset=mnist", "model.patch=7")

    assert "train-images-idx3-ubyte" in reason
    assert str(tmp_path / "data") in reason


def test_a_truncated_dataset_names_the_file(run, monkeypatch, tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        packed = gzip.compress(b"\x00\x00\x08\x03" + b"\x00" * 5000)
        (folder / f"{name}-ubyte.gz").write_bytes(packed[:-20])
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "data"))

    reason = failed_run(run, "demo", "scheme.name=residual", "data.dataset=mnist", "model.patch=7")

    assert "ubyte" in reason


def test_other_images_than_the_profile_demands_are_refused(run):
    reason = failed_run(run, "demo", "scheme.name=residual", "data.fingerprint=000000000000")

    assert "000000000000" in reason
    assert "482edad39ce3" in reason


def test_a_device_that_is_not_here_is_said_in_words(run):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    reason = failed_run(run, "demo", "scheme.name=residual", "train.device=cuda")

    assert "cuda" in reason


def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path):
    RunStore(Path("runs")).create(Plan(name="other"), {})
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "sys.argv = ['revconsole', 'train', 'demo', 'scheme.name=residual', 'train.epochs=3', 'schedule.warmup_epochs=0.0']\n"
        "from revconsole.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "room" in done.stderr
    assert not list(Path("runs").glob("*/checkpoints/.*"))
    assert {s.state for s in RunStore(Path("runs")).list()} == {"queued", "failed"}
