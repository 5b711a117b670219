"""The verb models: names, and which of timm's models can be rewired."""

import json
import signal
import subprocess
import sys

import pytest

from revconsole.records.findings import survey

TWO = "resmlp_12_224"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_pattern_lists_names(run):
    assert run("models", "resmlp_12*").out.splitlines()[1].startswith(f"timm\t{TWO}")
    assert run("models", TWO.removeprefix("res")).out.splitlines()[1].startswith(f"timm\t{TWO}")
    assert "did you mean 'resmlp_12_224'?" in run("models", "resmpl_12_224").err


def test_reversible_says_how_many_blocks_which_schemes_and_why_not(run):
    said = run("models", "--reversible", "res*_12_224", "--jobs", "1")
    assert said.out.splitlines()[1] == f"{TWO}\t12\t12\t0\tblocks×12"
    assert "two branches (attention, MLP): schemes additive, hamiltonian" in said.err
    said = run("models", "--reversible", "vgg11", "--jobs", "1")
    assert said.out.splitlines()[1].startswith("vgg11\t0\t0\t0\tnothing is added")
    assert "not rewirable, nothing is added to a block's input: 1 (vgg11)" in said.err


def test_json_has_families_reasons_and_models_and_comes_from_what_is_kept(run, cache):
    first = json.loads(run("models", "--reversible", TWO, "--json", "--jobs", "1").out)
    assert first["families"][-1] == {
        "family": "all", "models": 1, "any_block": 1, "two_branches": 1, "joined": 0,
    }  # fmt: skip
    assert "bdia" in first["schemes"]["one"]
    assert first["models"][0]["left"] == {}

    (path,) = cache.rglob("models-timm-*.json")
    entry = survey.Surveyed(model=TWO, family="mine", blocks=7)
    survey.keep(path, [entry])
    again = json.loads(run("models", "--reversible", TWO, "--json").out)
    assert again["models"][0]["blocks"] == 7
    fresh = json.loads(run("models", "--reversible", TWO, "--json", "--jobs", "1", "--refresh").out)
    assert fresh == first


def test_a_damaged_file_of_surveys_is_made_anew(tmp_path):
    path = tmp_path / "kept.json"
    survey.keep(path, [survey.Surveyed(model="a", family="b")])
    assert survey.kept(path)["a"].family == "b"
    path.write_text(path.read_text()[:-5])
    assert survey.kept(path) == {}


def test_two_processes_find_the_same_and_run_no_code_of_the_working_folder(run, hostile):
    pattern = "resmlp_*"
    one = run("models", "--reversible", pattern, "--jobs", "1").out
    assert run("models", "--reversible", pattern, "--jobs", "2", "--refresh").out == one
    assert len(one.splitlines()) > 4  # fewer are not worth a second process
    assert not hostile.exists()


def test_ctrl_c_keeps_what_was_surveyed(cache):
    command = [sys.executable, "-m", "revconsole", "models", "--reversible", "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "models surveyed, about" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command continues" in said
    (path,) = cache.rglob("models-timm-*.json")
    assert survey.kept(path)
