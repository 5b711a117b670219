"""What the README promises to scripts is what they get."""

import json
import re
from pathlib import Path

from revconsole.records.plan import Plan
from revconsole.records.store import RunStore

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_names_every_key_of_a_listed_run_and_no_other(run):
    RunStore(Path("runs")).create(Plan(name="n"), {})
    (row,) = json.loads(run("ls", "--json").out)
    text = README.read_text(encoding="utf-8")
    part = text[text.index("### For scripts") : text.index("Accuracies are fractions")]

    assert set(re.findall(r"`([a-z_0-9]+)`", part)) == set(row)
