"""Models of other libraries, wired without changing a line, and their training loops.

The whole table of them is printed by `python tests/conformance/strangers.py`.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

from revconsole.records.runs.store import RunStore

pytestmark = [
    pytest.mark.slow,
    # what other libraries say about themselves and each other
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
WIRINGS = ("bdia", "hamiltonian")
NEEDED = {"transformers": "transformers", "vit-pytorch": "vit_pytorch"}
ONLY = {"transformers ALBERT": ("bdia",)}  # normalised after its sums
REFUSED = {"transformers GPT-2, cache": "leaves more behind than its output"}


def loaded(path):
    name = f"loaded_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


strangers = loaded(HERE / "strangers.py")


@pytest.mark.parametrize("name", strangers.SHORT)
def test_a_model_of_another_library_is_right_or_refused(name):
    library = NEEDED.get(name.partition(" ")[0])
    if library:
        pytest.importorskip(library, reason=f"{library} is of the extra `check`")
    found, evaluation, reason = strangers.row(name, WIRINGS)
    if name in REFUSED:
        assert not found
        assert REFUSED[name] in reason
        return
    assert found.keys() == set(ONLY.get(name, WIRINGS))
    assert max(found.values()) < 1e-10
    assert evaluation < 1e-12


@pytest.mark.parametrize(
    ("example", "library", "steps"),
    [
        ("huggingface_trainer", "transformers", 20),
        ("lightning_trainer", "lightning", 23),  # it counts them from 0
        ("timm_loop", "timm", 20),
    ],
)
def test_the_training_loop_of_an_example_learns_and_is_recorded(
    example, library, steps, tmp_path, monkeypatch
):
    pytest.importorskip(library, reason=f"{library} is of the extra `check`")
    monkeypatch.chdir(tmp_path)
    assert loaded(EXAMPLES / f"{example}.py").main() < 0.65  # chance is 0.69
    (row,) = RunStore(tmp_path / "runs").list()
    assert (row.state, row.step, row.loss is not None) == ("finished", steps, True)
