"""Recorded runs: of the profiles `demo` and `bdia-dropout`, one that diverged, and one that ran out of memory.

They were really trained, ship with revconsole, and show every screen and verb where nothing has been trained yet. Of the
study's runs few steps are kept; values have five digits, and of the machine only its kind is kept.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revconsole.records.runs.header import write_header
from revconsole.records.settings.plan import Plan

RECORDED = Path(__file__).with_name("recorded_runs.json.gz")


def restore(store: Path) -> None:
    """Put the recorded runs into a store that has none of them."""
    for run in json.loads(gzip.decompress(RECORDED.read_bytes())):
        place = store / run["id"]
        attempt = place / "attempts" / "0001"
        attempt.mkdir(parents=True)
        write_header(place, run["id"], run["created"], Plan.model_validate(run["plan"]))
        (attempt / "events.jsonl").write_text(run["events"], encoding="utf-8")


@contextmanager
def recorded_store() -> Iterator[Path]:
    """A store with the recorded runs in a temporary folder, which is gone afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="revconsole-demo-", ignore_cleanup_errors=True
    ) as folder:
        store = Path(folder) / "demo"
        restore(store)
        yield store
