"""The pictures of README and docs: real screens of the console, on recorded runs. `python docs/pictures.py` draws them.

The recorded runs are those that ship with the package for `revconsole --demo`: of the profiles `demo` and `bdia-dropout`, one
that diverged, and one that ran out of memory. They are as their folders were: the plan, and the log with fewer steps.
`python docs/pictures.py record STORE` keeps those of a store in it.
"""

import asyncio
import gzip
import html
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from textual.pilot import Pilot

from revconsole.console.app import Console
from revconsole.console.screens.study import StudyScreen
from revconsole.lab import room
from revconsole.lab.foreseen_steps import in_bytes
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.lab import Lab
from revconsole.lab.listing import fields
from revconsole.lab.recorded import RECORDED, restore
from revconsole.records.logs.events import (
    Apportioned,
    Event,
    LoggedEvent,
    Measured,
    Started,
    decode,
    encode,
)
from revconsole.records.runs.header import read_header
from revconsole.records.settings.plan import Plan

DOCS = Path(__file__).parent
PICTURES = DOCS.parent / "assets"
STUDY = DOCS.parent / "profiles" / "bdia-dropout.toml"
COMPARED = ("demo-residual", "demo-additive", "demo-momentum", "demo-bdia")
"""Runs that are shown by themselves, and keep all their steps."""
KEPT = {"loss", "learning_rate", "gradient_norm", "images_per_second"}
"""Of every step kept of the compared runs; of the others only the loss, of every `SPARSE`th."""
OFTEN, SPARSE = 100, 15
"""Points from which a metric counts as measured in every step; of such ones every `SPARSE`th step is kept."""
OF_THE_MACHINE = {
    "resident_bytes",
    "resident_peak_bytes",
    "memory_used_bytes",
    "cpu_use",
    "cores_used",
    "data_wait",
}
FREE = 16 * 2**30
"""Bytes that are free on the machine of the pictures, which has no GPU."""
NOW = 1_795_959_325
"""The time of the pictures in seconds since 1970: two hours after the newest recorded run began."""
MACHINE = room.kind_of, room.free_on
ELSEWHERE = ("TZ", "COLUMNS", "LINES")
PATIENCE_SECONDS = 120.0
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture: how large the terminal is, what is opened and done there, and what is on the screen when it is taken."""

    title: str
    columns: int
    rows: int
    opened: tuple[str, ...] = ()
    study: bool = False
    key: str = ""
    """Pressed once the first screen shows runs."""
    shows: tuple[str, ...] = ()


SHOTS = {
    "runs": Shot(title="revconsole", columns=120, rows=22, shows=("dropout", "finished", "failed")),
    "run": Shot(
        title="revconsole: one run",
        columns=124,
        rows=40,
        opened=("demo-momentum",),
        shows=("train", "1e-9", "400", "completed"),
    ),
    "compare": Shot(
        title="revconsole: a comparison",
        columns=140,
        rows=38,
        opened=COMPARED,
        shows=("gain", "80", "400", "one seed"),
    ),
    "study": Shot(
        title="revconsole: a study",
        columns=110,
        rows=25,
        study=True,
        shows=("seed 2", "12 of 12", "finished"),
    ),
    "form": Shot(
        title="revconsole: the form",
        columns=140,
        rows=34,
        key="n",
        shows=("136,010 parameters", "revconsole train", "largest batch"),
    ),
}


def drawn(folder: Path) -> dict[str, str]:
    """Every picture as SVG, by name. folder: an empty one, which becomes the working folder of the console."""
    restore(folder / "runs")
    with chdir(folder), anywhere():
        lab = Lab(Path("runs"))
        return {name: asyncio.run(taken(lab, shot)) for name, shot in SHOTS.items()}


@contextmanager
def anywhere() -> Iterator[None]:
    """The clock of a log, the width of its lines, and the free memory of the form are the same wherever one draws."""
    room.kind_of, room.free_on = (lambda _: "cpu"), (lambda _: FREE)
    fields.now = lambda: NOW
    held = {name: os.environ.pop(name) for name in ELSEWHERE if name in os.environ}
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        room.kind_of, room.free_on = MACHINE
        fields.now = time.time
        del os.environ["TZ"]
        os.environ.update(held)
        time.tzset()


async def taken(lab: Lab, shot: Shot) -> str:
    """The screen of one shot, once it shows all that it should."""
    ids = {run.name: run.id for run in reversed(lab.store.list())}
    app = Console(lab, [ids[name] for name in shot.opened])
    async with app.run_test(size=(shot.columns, shot.rows)) as pilot:
        if shot.study:
            app.push_screen(StudyScreen(app.reader, str(STUDY)))
        if shot.key:
            await settled(app, pilot, ("finished",))
            await pilot.press(shot.key)
        await settled(app, pilot, shot.shows)
        return cleaned(app.export_screenshot(title=shot.title))


async def settled(app: Console, pilot: Pilot[int], shows: tuple[str, ...]) -> None:
    """Wait until the screen shows what it should, and the same twice."""
    end, before = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        await pilot.pause(0.2)
        now = text(app.export_screenshot())
        if (
            now == before
            and app.reader.settled
            and all(word.replace(" ", "") in now for word in shows)
        ):
            return
        if time.monotonic() > end:
            raise SystemExit(f"the screen does not show {shows}:\n{now}")
        before = now


def cleaned(svg: str) -> str:
    """Without fonts from elsewhere: no reader of a page asks another host for anything."""
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def text(svg: str) -> str:
    """What a picture says, line by line and without blanks: colours and where they change do not count."""
    lines: dict[float, str] = {}
    for height, words in re.findall(
        r'<text class="[^"]*-r\d+"[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', svg
    ):
        lines[float(height)] = lines.get(float(height), "") + html.unescape(words)
    return "\n".join(re.sub(r"\s", "", lines[height]) for height in sorted(lines))


def recorded(store: Path) -> Iterator[dict[str, object]]:
    """The runs of a store, as they are kept: of most of them no steps but the last of each epoch."""
    for folder in sorted(path for path in store.iterdir() if (path / "plan.json").exists()):
        header = read_header(folder)
        if header.plan is None:
            continue
        whole = header.plan.name in COMPARED
        path = folder / "attempts" / "0001" / "events.jsonl"
        log = path.read_bytes() if path.exists() else b""
        records = with_foreseen(header.plan, [decode(line) for line in log.splitlines()])
        kept = thinned(records, whole=whole)
        yield {
            "id": folder.name,
            "created": header.created,
            "plan": header.plan.model_dump(mode="json"),
            "events": b"".join(map(encode, kept)).decode(),
        }


def with_foreseen(plan: Plan, records: list[LoggedEvent]) -> list[LoggedEvent]:
    """The records, with the memory of each backward as a trainer notes it after its start where the cache knows the plan."""
    foreseen = in_bytes(plan, Foreseer().known(plan))
    noted = any(isinstance(r.event, Apportioned) and r.event.of == "foreseen" for r in records)
    begun = next((n for n, r in enumerate(records) if isinstance(r.event, Started)), None)
    if noted or begun is None:
        return records
    events = [
        Apportioned(of=each.of, backward=each.backward, parts=each.parts) for each in foreseen
    ]
    added = [replace(records[begun], event=event) for event in events]
    return [*records[: begun + 1], *added, *records[begun + 1 :]]


def thinned(records: list[LoggedEvent], *, whole: bool) -> list[LoggedEvent]:
    """The records worth keeping, counted anew; of most runs with few steps."""
    counts = Counter(n for r in records if isinstance(r.event, Measured) for n in r.event.values)
    often = {name for name, count in counts.items() if count > OFTEN}
    kept = [
        replace(r, event=without_place(with_fewer(r.event, often, whole=whole))) for r in records
    ]
    kept = [r for r in kept if not isinstance(r.event, Measured) or r.event.values]
    return [replace(r, seq=n) for n, r in enumerate(kept, 1)]


def with_fewer(event: Event, often: set[str], *, whole: bool) -> Event:
    """A measurement without most of what every step has, and without what is the machine's. often: metrics of every step."""
    if not isinstance(event, Measured):
        return event
    dense = KEPT if whole else set()
    sparse = often if whole else {"loss"}
    left_out = (often - dense - (sparse if event.step % SPARSE == 0 else set())) | OF_THE_MACHINE
    return replace(event, values={n: v for n, v in event.values.items() if n not in left_out})


def without_place(event: Event) -> Event:
    """Numbers of five digits, and nothing about the machine but its kind."""
    if isinstance(event, Measured):
        return replace(
            event, values={name: float(f"{value:.5g}") for name, value in event.values.items()}
        )
    if isinstance(event, Started):
        return replace(event, facts={**event.facts, "host": "here", "commit": None})
    return event


def main(arguments: list[str]) -> None:
    """Draw every picture, or keep the runs of a store."""
    if arguments[:1] == ["record"]:
        body = json.dumps(list(recorded(Path(arguments[1]))), separators=(",", ":"))
        RECORDED.write_bytes(gzip.compress(body.encode(), mtime=0))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, svg in drawn(Path(folder)).items():
            (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
