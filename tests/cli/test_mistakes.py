"""Wrong input gets one sentence on stderr, an exit code, and leaves nothing behind."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

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
        (["train", "demo", "--train.epochs", "4"], 2, "--train.epochs: settings have no dashes: write train.epochs=4"),
        (["study", "run", "demo", "--model.depth=4"], 2, "settings have no dashes: write model.depth=4"),
        (["train", "demo", "--epochs", "4"], 2, "--epochs: settings have no dashes: write train.epochs=4"),
        (["study", "run", "circles", "--batch-size=4"], 2, "settings have no dashes: write train.batch=4"),
        (["bench", "--depth", "4", "demo"], 2, "--depth: settings have no dashes: write model.depth=4"),
        (["demo", "--lr"], 2, "--lr: settings have no dashes: write optimizer.learning_rate=…"),
        (["train", "demo", "lr=0.1"], 2, "lr: unknown key; did you mean optimizer.learning_rate?"),
        (["train", "demo", "seeds=5"], 2, "write seed=5 or seeds=[0,1,2,3,4]"),
        (["train", "demo", "train.epochs=2"], 2, "command line: schedule.warmup_epochs: 3 epochs of warm-up must be"),
        (["train", "vit-cifar100", "data.gap=1"], 2, "data.gap: only context_patches has it, not cifar100"),
        (["study", "run", "circles", "scheme.gamma=1", "--dry-run"], 2, "scheme 'residual' has no gamma"),
        (["train", "demo", GRID], 2, "the limit is 1000"),
        (["train", "dmeo"], 2, "there is no profile 'dmeo'; did you mean 'demo'?"),
        (["train", "data.dataset=digits"], 2, "PROFILE: is missing before data.dataset=digits; `revconsole profiles` lists"),
        (["study", "run", "seeds=[0]"], 2, "STUDY: is missing before seeds=[0]"),
        (["train", "demo", "train.epochs=1e2"], 2, "train.epochs: should be a whole number, not 100.0; write 100"),
        (["train", "demo", "train.gpus=two"], 2, "train.gpus: should be a whole number or 'all', not 'two'"),
        (["train", "demo", "train.gpus=0"], 2, "train.gpus: should be at least 1 or 'all', not 0"),
        (["data", "show", "./nowhere"], 4, "there is no folder"),
        (["train", "gone.toml"], 2, "gone.toml: no such file; `revconsole profiles` lists the known ones"),
        (["train", "x" * 300], 2, "the name is too long for a file"),
        (["fit", "demo", "seeds=0", "scheme.name=residual", "--write", f"{'x' * 300}.toml"], 2, "too long for a file"),
        (["show", "../secret"], 3, "answers to '../secret'; `revconsole ls` lists them"),
        (["show", "@7"], 3, "'@7' is no run"),
        (["stop", "nobody"], 3, "answers to 'nobody'"),
        (["compare", "nobody"], 3, "answers to 'nobody'"),
        (["data", "cfar10"], 2, "there is no dataset 'cfar10'; did you mean 'cifar10'?"),
        (["data", "show", "imagefolder", "data.folder=gone/images"], 2, "data.folder: there is no folder"),
        (["data", "show", "context_patches", "data.source=imagefolder", "data.folder=gone"], 2, "there is no folder"),
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


def refused(run, *arguments: str) -> tuple[int, str]:
    """How `train` refuses, which `--dry-run` and `--detach` do word by word, and nothing is created."""
    said = run("train", *arguments)
    for other in ("--dry-run", "--detach"):
        again = run("train", *arguments, other)
        assert (again.code, again.err) == (said.code, said.err)
        assert again.out == ""
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()
    return said.code, said.err


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

    code, reason = refused(
        run, "demo", "scheme.name=residual", "data.dataset=mnist", "model.patch=7"
    )

    assert code == 4
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
    code, reason = refused(run, "demo", "scheme.name=residual", "train.device=cuda:9")

    assert code == 4
    assert "there is no device 'cuda:9' on this machine; it has cpu" in reason
    code, reason = refused(run, "demo", "scheme.name=residual", "train.precision=fp16")
    assert code == 2
    assert "command line: train.precision: fp16 needs a GPU" in reason


TIMM = ("demo", "scheme.name=residual", "model.architecture=timm", "data.image_size=28")
OWN = ("demo", "scheme.name=residual", "model.architecture=python")
SMALL = ("seeds=0", "train.batch=13", "data.train_limit=73")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((*TIMM, "model.name=vit_tny"), 2, "there is no timm model 'vit_tny'; did you mean"),
        ((*TIMM, "model.name=hf_hub:timm/vit_tny"), 2, "there is no timm model 'vit_tny'"),
        ((*TIMM, "model.name=vit_tiny_patch16_224"), 2, "sees 16 of 28 rows and 16 of 28 columns"),
        ((*TIMM, "model.name=test_vit", "model.weights=gone.pth"), 4, "gone.pth; correct model.weights"),
        ((*OWN, "model.function=gone:model"), 2, "there is no module 'gone'"),
        ((*OWN, "model.function=mine:gone"), 2, "there is no function of mine 'gone'; did you mean 'one'?"),
        ((*OWN, "model.function=wrong:one"), 2, "wrong is not Python (wrong.py, line 1"),
        (("demo", "scheme.name=residual", "data.train_limit=5"), 2, "data.train_limit: a fraction of 0.1"),
        (("demo", "scheme.name=residual", "data.test_limit=999"), 2, "data.test_limit: digits has 360"),
        (("demo", "scheme.name=residual", "data.rand_augment=3", "data.standardise=zca", "data.crop_padding=9", "data.augment=crop"), 2, "data.crop_padding: 9 pixels"),
        (("demo", "scheme.name=residual", "data.dataset=imagefolder", "data.folder=nowhere", "data.image_size=8"), 4, "there is no folder"),
        (("demo", "scheme.name=residual", "model.architecture=resnet", *SMALL), 2,
         "66 images to train on in batches of 13 leave one alone at the end of an epoch"),
        (("demo", "scheme.name=residual", "model.architecture=resnet", "seeds=0", "train.batch=4", "train.accumulate=4"), 2,
         "train.accumulate: batch 4 with accumulate 4 puts one image through the network at a time"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_can_be_known_before_a_run_exists_is_said_before(run, arguments, code, sentence):
    Path("mine.py").write_text("raise SystemExit('nobody may run this')\ndef one(): ...\n")
    Path("wrong.py").write_text("def one(:\n")

    assert refused(run, *arguments)[0] == code
    assert sentence in run("train", *arguments).err


ARMS = """[[arm]]
name = "here"
[[arm]]
name = "no device"
train = { device = "cuda:9", epochs = 2 }
[[arm]]
name = "no weights"
model = { architecture = "timm", name = "test_vit", weights = "gone.pt" }
data.image_size = 32
"""
NO_DEVICE, NO_WEIGHTS = "there is no device 'cuda:9'", "there is no weights file"


@pytest.fixture
def three(tiny_study):
    """The tiny study with other arms, in three.toml."""
    head, _, _ = tiny_study.read_text(encoding="utf-8").partition("[[arm]]")
    path = Path("three.toml")
    path.write_text(head + ARMS, encoding="utf-8")
    return path


@pytest.mark.parametrize("verb", [("study", "run"), ("train",)], ids=" ".join)
def test_an_arm_that_cannot_be_trained_is_a_row_with_its_reason_and_holds_up_no_other(
    run, three, verb
):
    dry = run(*verb, str(three), "--dry-run")
    head, *rows = [line.split("\t") for line in dry.out.splitlines()]

    assert dry.code == 0, dry.err
    assert head[-1] == "left out because"
    reasons = [row[-1] for row in rows]
    assert reasons[:2] == ["", ""]
    assert all(NO_DEVICE in why for why in reasons[2:4])
    assert all(NO_WEIGHTS in why for why in reasons[4:])
    assert not Path("runs").exists()

    done = run(*verb, str(three))
    assert done.code == 0, done.err
    assert done.err.count(NO_DEVICE) == done.err.count(NO_WEIGHTS) == 1
    assert [plan["arm"] for plan in plans()] == ["here", "here"]

    again = run("study", "run", str(three))
    assert again.code == 0, again.err
    assert "2 of 6 runs done, 4 to do, 4 of them left out" in again.err
    assert len(plans()) == 2


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--detach",)], ids=" ".join)
def test_a_study_of_which_no_arm_can_be_trained_is_refused_before_any_of_its_runs_exists(
    run, three, more
):
    said = run("study", "run", str(three), "train.device=cuda:9", *more)

    assert said.code == 4
    assert said.err.startswith(f"revconsole: {NO_WEIGHTS}")
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_name_that_does_not_exist_is_corrected_before_any_arm_trains(run, three):
    three.write_text(three.read_text().replace("test_vit", "test_vitt"))

    said = run("study", "run", str(three))

    assert said.code == 2
    assert "there is no timm model 'test_vitt'; did you mean 'test_vit" in said.err
    assert not Path("runs").exists()


def plans():
    return [json.loads(path.read_text())["plan"] for path in Path("runs").glob("*/plan.json")]


def test_a_block_that_does_not_suit_its_scheme_is_said_before_a_run_exists(run):
    """Only what trains runs somebody's own code; a dry run does not."""
    Path("mine.py").write_text(
        "from pathlib import Path\nfrom torch import nn\nPath('ran').touch()\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.inner = nn.Conv2d(4, 4, 3, padding=1)\n"
        "    def forward(self, x):\n        return x + self.inner(x)\n"
        "def model(classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Sequential(Block(), Block()), nn.Flatten(),"
        " nn.Linear(256, classes))\n"
    )
    two = ("demo", "scheme.name=additive", "model.architecture=python", "model.function=mine:model")

    assert run("train", *two, "--dry-run").code == 0
    assert not Path("ran").exists()
    said = run("train", *two)
    assert said.code == 2
    assert "needs two branches" in said.err
    assert said.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path):
    RunStore(Path("runs")).create(Plan(name="other"), {})
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "sys.argv = ['revconsole', 'train', 'demo', 'scheme.name=residual', 'data.train_limit=256', 'train.epochs=3', 'schedule.warmup_epochs=0.0']\n"
        "from revconsole.cli.app import main\n"
        "main()\n"
    )
    command = [sys.executable, "-X", "preloaded", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "room" in done.stderr
    assert not list(Path("runs").glob("*/checkpoints/.*"))
    assert {s.state for s in RunStore(Path("runs")).list()} == {"queued", "failed"}
