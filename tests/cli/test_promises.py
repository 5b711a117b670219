"""What the pages promise to scripts is what they get."""

import json
import re
from pathlib import Path

from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

PAGE = Path(__file__).parents[2] / "docs" / "files.md"


def test_the_page_on_files_names_every_key_of_a_listed_run_and_no_other(run):
    RunStore(Path("runs")).create(Plan(name="n"), {})
    (row,) = json.loads(run("ls", "--json").out)
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index("## JSON of a listed run") : text.index("Accuracies are fractions")]

    assert set(re.findall(r"`([a-z_0-9]+)`", part)) == set(row)
