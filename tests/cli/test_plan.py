"""The verb plan: what models would cost, without training and without data files."""

import json
import subprocess
import sys

import pytest

from revconsole.lab.timing import Timing, on_devices
from revconsole.records.foresight import cache

TINY = (
    "vit-cifar10", "seeds=0", "model.depth=2", "model.dim=32", "model.heads=2", "train.device=cpu",
)  # fmt: skip
REVERSIBLE = (*TINY, "scheme.name=additive", "backward=reversible")
PARTS = {
    "parameters", "gradients", "optimizer", "exchange", "kept", "side_bits", "temporaries", "batch"
}  # fmt: skip


def test_each_model_of_a_grid_is_counted_without_data_files(run, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nothing"))
    said = run("plan", "vit-cifar10", "model.depth=[1,2]", "seeds=0", "--json")

    one, two = json.loads(said.out)
    assert said.code == 0
    assert two["parameters"] - one["parameters"] > 0
    assert one["trainable_parameters"] == one["parameters"]
    assert two["multiply_adds_per_image"] > one["multiply_adds_per_image"] > 0
    assert one["floating_point_operations_per_image"] == 2 * one["multiply_adds_per_image"]
    assert not (tmp_path / "nothing").exists()


def test_the_table_has_headings_in_words_and_numbers_for_people(run):
    said = run("plan", "demo", "seeds=0", "scheme.name=residual")

    head, *rows = (line.split("\t") for line in said.out.partition("\n\n")[0].splitlines())
    assert head == [
        "name", "architecture", "scheme", "parameters", "trained parameters", "multiply-adds (FLOPs) per image", "of an epoch",
    ]  # fmt: skip
    assert len(rows) == 1
    assert rows[0][3:] == ["136,010", "136,010", "2.23 M (4.47 M)", "8.66 G (17.3 G)"]
    assert "multiply-adds counted once or twice" in said.err


def test_a_wrong_setting_is_one_sentence(run):
    said = run("plan", "demo", "model.patch=3")

    assert said.code == 2
    assert "patch 3 does not divide" in said.err


def test_modules_of_a_model_are_a_table_or_json_that_add_up(run):
    settings = ("vit-cifar10", "seeds=0", "model.depth=2", "scheme.name=residual")
    body = json.loads(run("plan", *settings, "--modules", "--json").out)
    said = run("plan", *settings, "--modules")

    for each in body:
        assert sum(m["parameters"] for m in each["modules"]) == each["parameters"]
        operations = sum(m["multiply_adds"] for m in each["modules"])
        assert operations == each["multiply_adds_per_image"]
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert ["blocks.0-1.attn.qkv", "Linear"] in [row[:2] for row in rows]
    assert ["all", "", "", "", f"{body[0]['parameters']:,}"] in [row[:5] for row in rows]


def test_a_scheme_with_a_wider_head_says_that_its_modules_are_the_plain_networks(run):
    settings = ("vit-cifar10", "seeds=0", "model.depth=2", "scheme.name=additive", "--modules")
    (body,) = json.loads(run("plan", *settings, "--json").out)

    assert body["modules_note"] in " ".join(run("plan", *settings).err.split())
    assert f"{body['parameters']:,} parameters" in body["modules_note"]


def test_json_has_the_memory_of_each_backward_at_the_micro_batch_and_the_largest_batch(run):
    said = run("plan", *REVERSIBLE, "train.accumulate=2", "--memory", "1GiB", "--json")
    (body,) = json.loads(said.out)

    assert said.code == 0
    assert {"name", "parameters", "multiply_adds_per_image", "memory"} <= body.keys()
    assert body["micro_batch"] == body["batch"] / 2 == 64
    assert set(body["memory"]) == {"stored", "checkpointed", "reversible", "auto"}
    for each in body["memory"].values():
        assert set(each["parts"]) == PARTS
        assert sum(each["parts"].values()) == pytest.approx(each["peak_bytes"], abs=len(PARTS))
        assert each["least_bytes"] <= each["most_bytes"] <= 2**30
        assert 64 < each["largest_batch"] <= each["largest_batch_at_most"]
    assert body["memory"]["stored"]["peak_bytes"] > body["memory"]["reversible"]["peak_bytes"]

    (without,) = json.loads(run("plan", *REVERSIBLE, "train.accumulate=2", "--json").out)
    assert without["memory"]["stored"]["peak_bytes"] == body["memory"]["stored"]["peak_bytes"]
    assert "largest_batch" not in without["memory"]["stored"]


def test_the_memory_of_a_run_on_ranks_is_that_of_one_of_them(run):
    asked = (*REVERSIBLE, "train.device=cpu", "train.gpus=2", "--memory", "1GiB", "--json")
    (body,) = json.loads(run("plan", *asked).out)
    own = body["memory"]["reversible"]

    assert body["memory_bytes"] == 2**29, "the half of what this machine has"
    assert own["parts"]["exchange"] > own["parts"]["parameters"]
    assert own["batch_made_of"] == {"accumulate": 2, "micro_batch": 64}
    assert "that of each of 2 ranks" in body["memory_note"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_larger_than_the_data_takes_what_its_images_take(run, accumulate):
    """64 images in a batch of 512 and in one of 64, both in one micro-batch: there is no second one to fill."""
    few = ("data.train_limit=80", "data.validation=0.2")
    asked = (*REVERSIBLE, *few, f"train.accumulate={accumulate}", "train.batch=512")
    (larger,) = json.loads(run("plan", *asked, "--json").out)
    (there,) = json.loads(run("plan", *REVERSIBLE, *few, "train.batch=64", "--json").out)

    assert larger["micro_batch"] == there["micro_batch"] == 64
    assert larger["memory"] == there["memory"]
    assert "64 training images, fewer than the batch of 512" in larger["memory_note"]
    assert there["memory_note"] == ""


def test_the_largest_batch_fits_and_the_next_one_is_not_sure_to(run):
    (body,) = json.loads(run("plan", *REVERSIBLE, "--memory", "700MiB", "--json").out)
    largest = body["memory"]["reversible"]["largest_batch"]
    verdicts = [
        json.loads(run("plan", *REVERSIBLE, f"train.batch={batch}", "--memory", "700MiB", "--json").out)[0]["verdict"]
        for batch in (largest, largest + 1)
    ]  # fmt: skip

    assert verdicts == ["tight", "uncertain"]


def test_the_exit_code_says_whether_it_fits(run):
    (body,) = json.loads(run("plan", *REVERSIBLE, "--json").out)
    low, high = (body["memory"]["reversible"][each] for each in ("least_bytes", "most_bytes"))

    codes = {
        size: run("plan", *REVERSIBLE, "--memory", f"{size}B").code
        for size in (2 * high, high, low, low - 1)
    }
    assert list(codes.values()) == [0, 0, 4, 3]
    assert run("plan", *REVERSIBLE).code == 0
    wrong = run("plan", *REVERSIBLE, "--memory", "much")
    assert wrong.code == 2
    assert "a size such as 8GiB" in wrong.err


def test_memory_and_bars_fit_into_80_columns_and_say_how_the_batch_is_made(on_a_terminal):
    shown = on_a_terminal(80, "plan", *REVERSIBLE, "train.batch=512", "--memory", "267MiB")

    assert max(map(len, shown.splitlines())) <= 80
    assert "columns left out: architecture" in shown
    bars = {line.split()[0]: line.split()[1] for line in shown.splitlines() if "KKK" in line}
    assert len(bars["stored"]) > len(bars["reversible"])
    assert "512 = 4 × 128 stored" in " ".join(shown.split())


def test_what_was_counted_before_is_told_again_without_torch(run):
    first = run("plan", *TINY, "--memory", "1GiB")
    code = (
        "import sys; from pathlib import Path\n"
        "from revconsole.records.foresight import cache\n"
        f"cache.folder = lambda: Path({str(cache.folder())!r})\n"
        f"sys.argv = {['revconsole', 'plan', *TINY, '--memory', '1GiB']!r}\n"
        "from revconsole.cli.app import app\n"
        "app(standalone_mode=False)\n"
        "assert not {'torch', 'timm', 'numpy'} & set(sys.modules)"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (again.returncode, again.stdout) == (0, first.out), again.stderr


def test_several_runs_are_added_up(run):
    said = run("plan", *TINY, "scheme.name=[residual,additive]")

    (line,) = [line for line in said.out.splitlines() if line.startswith("all 2 runs")]
    assert "FLOPs) of training, at most" in line


def test_the_largest_value_of_a_setting_is_solved_and_what_is_beyond_does_not_surely_fit(run):
    for key, size in (("train.batch", "400MiB"), ("model.dim", "250MiB")):
        said = run("plan", *TINY, "--memory", size, "--solve", key, "--json")
        (found,) = json.loads(said.out)
        value, bytes_beyond = found["beyond"]

        assert said.code == 0
        assert found["bytes"] <= found["memory_bytes"] < bytes_beyond
        words = [word for word in TINY if not word.startswith(f"{key}=")]
        for each, verdicts in ((found["value"], {0}), (value, {3, 4})):
            assert run("plan", *words, f"{key}={each}", "--memory", size).code in verdicts


def test_a_batch_is_solved_for_with_the_micro_batches_of_the_plan(run):
    whole, parts = (
        json.loads(run("plan", *TINY, f"train.accumulate={n}", "--memory", "400MiB", "--solve", "train.batch", "--json").out)[0]
        for n in (1, 4)
    )  # fmt: skip

    assert (parts["accumulate"], 4 * parts["micro_batch"]) == (4, parts["value"])
    assert parts["micro_batch"] < whole["micro_batch"] == whole["value"]
    said = run("plan", *TINY, "train.accumulate=4", "--memory", "400MiB", "--solve", "train.batch")
    assert f"train.batch={parts['value']}, made of 4 × {parts['micro_batch']:,} images" in said.out


def test_no_batch_is_solved_for_that_the_rules_refuse(run):
    said = run(
        "plan",
        *TINY,
        "train.batch=129",
        "train.accumulate=3",
        "--memory",
        "100TiB",
        "--solve",
        "train.batch",
    )

    assert "train.batch=1048575, made of 3 × 349,525 images" in said.out
    assert "no larger batch is allowed" in said.out
    assert "training images are fewer, so they make one batch" in said.out


def test_what_fits_with_no_value_or_cannot_be_solved_is_said(run):
    none = run("plan", *TINY, "--memory", "1MiB", "--solve", "train.batch")
    assert none.code == 3
    assert "does not surely fit into 1.00 MiB with any train.batch" in none.out
    wrong = run("plan", *TINY, "--solve", "train.epochs")
    assert wrong.code == 2
    assert "takes one of train.batch" in wrong.err


def test_the_time_is_that_of_a_few_real_steps(run):
    small = (
        "vit-mnist", "seeds=0", "data.dataset=digits", "data.augment=none", "model.patch=2", "model.dim=32", "model.depth=1",
        "model.heads=2", "train.device=cpu", "train.epochs=2",
    )  # fmt: skip
    said = run("plan", *small, "--time", "--json")
    assert said.code == 0, said.err
    (measured,) = json.loads(said.out)
    quick, usual, slow = measured["time"]["step_seconds"]

    assert 0 < quick <= usual <= slow
    assert measured["time"]["seconds"] > measured["time"]["epoch_seconds"] > 0
    assert "of its steps with their data timed here" in measured["time"]["known_from"]

    later = json.loads(run("plan", *small[:-1], "train.epochs=4", "--json").out)[0]["time"]
    assert later["epoch_seconds"] == measured["time"]["epoch_seconds"], "it was kept"
    assert "time" not in json.loads(run("plan", *small, "train.batch=32", "--json").out)[0]


@pytest.mark.slow
def test_the_check_is_one_command_and_takes_a_word(run):
    said = run("plan", "architecture=mlp", "--calibration", "--check", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)

    (checked,) = found["predictions"]
    assert abs(checked["error"]) < 0.01
    assert found["verdicts"]["asked"] == 8
    assert "1 of 1" in said.err
    assert (
        "no combination contains 'nonsense'"
        in run("plan", "nonsense", "--calibration", "--check").err
    )


def test_without_runs_the_calibration_is_empty_and_without_a_profile_one_is_asked_for(run):
    assert json.loads(run("plan", "--calibration", "--json").out) == []
    said = run("plan")
    assert said.code == 2
    assert "PROFILE" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["--check"], ["vit-mnist", "--calibration"], ["--calibration", "--memory", "8GiB"], ["--calibration", "--time"],
        ["--calibration", "--solve", "train.batch"], ["a", "b=1", "--calibration", "--check"], ["demo", "--memory", ""],
        ["demo", "--solve", ""],
    ],
)  # fmt: skip
def test_what_a_plan_takes_no_account_of_is_refused(run, words):
    said = run("plan", *words)
    assert (said.code, said.out) == (2, "")


def test_the_time_on_several_devices_is_that_of_the_one_that_is_free_last():
    """Runs of 50, 40, 30, 30 and 30 s on two: 50 + 30 and 40 + 30 + 30."""
    times = [Timing(known_from="an earlier run", seconds=s) for s in (50.0, 40.0, 30.0, 30.0, 30.0)]

    assert on_devices(times, 2) == (
        "on 2 devices at once: about 1 min 40 s, if each is as fast as this one"
    )
    unknown = Timing(known_from="nothing like it has run")
    assert "about 50 s without 1 of them" in on_devices([times[0], unknown], 8)
    assert "about an unknown time" in on_devices([unknown], 8)


def test_the_least_time_on_a_card_is_said(run):
    tiny = (
        "circles",
        "seeds=0",
        "model.architecture=mlp",
        "--card",
        "A100",
        "--utilisation",
        "0.5",
    )
    entry = json.loads(run("plan", *tiny, "--json").out)[0]
    said = run("plan", *tiny)

    time = entry["least_time"]
    assert (time["card"], entry["device"]) == ("A100", "cuda")
    assert time["seconds_at_peak"] == pytest.approx(2 * time["multiply_adds"] / 19.5e12)
    assert time["seconds_at_utilisation"] == pytest.approx(2 * time["seconds_at_peak"])
    assert "on A100: " in said.out
    assert "at least: forward, backward and recomputation" in said.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--card", "H1000"), "no card with a known peak 'H1000'"),
        (("--utilisation", "0.4"), "belongs to --card"),
        (("--card", "H100", "train.device=cpu"), "train.device=cpu: does not go with --card H100"),
        (("--card", "T4", "train.precision=bf16"), "T4 has no products in bf16"),
    ],
)
def test_a_card_that_cannot_be_answered_for_is_one_sentence(run, given, words):
    said = run("plan", "circles", "seeds=0", "model.architecture=mlp", *given)

    assert said.code == 2
    assert words in said.err
    assert len(said.err.strip().splitlines()) == 1
