"""SamplesScreen: training images of a plan, as stored and as the model sees them.

Reading them imports torch, so a daemon thread reads, which quitting does not wait for.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from revconsole.console.messages import SamplesRead
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.gallery import Gallery, fitting
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Title
from revconsole.lab.pictures import described, in_brief
from revconsole.lab.torch_api import training
from revconsole.records.datasets import catalogue
from revconsole.records.datasets.facts import data_folder
from revconsole.records.findings.samples import Samples
from revconsole.records.printable import one_line
from revconsole.records.settings.plan import Plan

LONGEST = 2000
"""Most characters shown of the description of what was read."""
BLOCK = 48
"""Images read at once; paging within them reads nothing."""
ROOMY = 34
"""Lines of a terminal on which all facts are shown from the start."""
LEAST_SIDE, MOST_SIDE = 8, 64
STORED = "as stored"


class SamplesScreen(Newest, Screen[None]):
    """Images before and after augmentation, classes, statistics, fingerprint. whose: the name of the plan's run or form."""

    tab = "runs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="samples.back"),
        Binding("n,space,right,l", "turn(1)", "Other samples", id="samples.next"),
        Binding("p,left,h", "turn(-1)", "Previous", id="samples.previous"),
        Binding("f", "facts", "Facts", id="samples.facts"),
        Binding("r", "read", "Read again", id="samples.read"),
    ]

    def __init__(self, plan: Plan, whose: str = "") -> None:
        super().__init__()
        self._plan, self._whose = plan, whose
        self._shown_samples: Samples | None = None
        self._number = 0
        self._side = 0
        self._page = self._first = 0
        self._waiting = self._backwards = False
        self._owed: list[Callable[[], None]] = []
        """Actions of keys that were pressed while images were being read."""

    def compose(self) -> ComposeResult:
        """Two rows of pictures, the facts, keys."""
        yield Title()
        with Container(id="strips"):
            for name in ("before", "after"):
                with Vertical(classes="strip"):
                    yield Static(classes="heading", id=f"{name}-heading")
                    yield Gallery(id=name)
        with VerticalScroll(id="known", can_focus=False):
            yield Static(id="known-pairs")
        yield KeyBar()

    def on_mount(self) -> None:
        """Place the two rows: side by side for points of the plane, one below the other for images."""
        self.set_class(self._points, "-points")
        self._title("")

    def on_resize(self, event: events.Resize) -> None:
        """Show all facts where there is room; the pictures follow when theirs is known."""
        self.set_class(event.size.height >= ROOMY, "-full")

    def on_samples_read(self, event: SamplesRead) -> None:
        """Show the samples, or why they cannot be read."""
        event.stop()
        if event.number != self._number:
            return
        self._waiting = False
        self._shown_samples = event.samples
        if event.samples is None:
            self._title("not read")
            self._say(event.problem)
        else:
            if self._backwards:
                last = len(event.samples.before) - 1
                self._first = last - last % self._abreast
            self._show(event.samples)
        while self._owed and not self._waiting:
            self._owed.pop(0)()

    def action_back(self) -> None:
        """Go back to the screen before."""
        self.app.pop_screen()

    def action_turn(self, by: int) -> None:
        """Show the next samples in training order (1), or the previous ones (-1)."""
        if self._waiting:
            self._owed.append(partial(self.action_turn, by))
            return
        if self._shown_samples is None:
            return
        first = self._first + by * self._abreast
        if 0 <= first < len(self._shown_samples.before):
            self._first = first
            self._show(self._shown_samples)
        elif by > 0 or self._page > 0:
            self._page, self._first, self._backwards = self._page + by, 0, by < 0
            self.action_read()

    def action_facts(self) -> None:
        """Show all facts, or larger images."""
        if self._waiting:
            self._owed.append(self.action_facts)
            return
        self.toggle_class("-full")

    def action_read(self) -> None:
        """Read the data again, for instance after a download."""
        self._number += 1
        self._waiting = True
        self._title("reading…")
        if self._shown_samples is None:
            dataset = self._plan.data.dataset
            self._say(f"reading {dataset}… the first time takes some seconds, as torch is loaded")
        work = (self._number, self._plan, self._side, self._page)
        threading.Thread(target=self._read, args=work, name="samples", daemon=True).start()

    def _read(self, number: int, plan: Plan, side: int, page: int) -> None:
        """Read the samples; runs in a worker thread."""
        try:
            samples = training.samples(plan, data=data_folder(), count=BLOCK, side=side, page=page)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the console
            problem = str(error) or type(error).__name__
            self.post_message(SamplesRead(number, problem=problem))
        else:
            self.post_message(SamplesRead(number, samples=samples))

    @property
    def _points(self) -> bool:
        return catalogue.dataset(self._plan.data.dataset).size == 1

    @property
    def _abreast(self) -> int:
        """The number of samples on the screen at once, given by the wider of the two rows."""
        assert self._shown_samples is not None  # noqa: S101  nothing is turned before it was read
        columns = self.query_one("#before", Gallery).size.width - 1
        rows = (self._shown_samples.before, self._shown_samples.after)
        return min(fitting(pictures[0], self._side, columns) for pictures in rows)

    @on(Gallery.GallerySized)
    def _fit(self) -> None:
        """Read pictures that fit the room, unless they are there."""
        room = self.query_one("#before", Gallery).size
        side = min(2 * (room.height - 1), MOST_SIDE, room.width - 1)
        side = max(LEAST_SIDE, side)
        if side != self._side:
            self._side, self._first, self._backwards = side, 0, False
            self.action_read()
        elif self._shown_samples is not None:
            self._show(self._shown_samples)

    def _show(self, samples: Samples) -> None:
        shown = slice(self._first, self._first + self._abreast)
        for name, pictures in (("before", samples.before), ("after", samples.after)):
            self.query_one(f"#{name}", Gallery).show_pictures(pictures[shown], side=self._side)
        self.query_one("#before-heading", Static).update(Text(STORED))
        self.query_one("#after-heading", Static).update(Text(self._prepared()))
        self.query_one("#known-pairs", Static).update(_known(samples, full=self.has_class("-full")))
        self._title(self._place(samples))

    def _prepared(self) -> str:
        """The heading of the second row: the augmentation, in the words of the profile."""
        data = self._plan.data
        done = [str(v) if n == "augment" else f"{n} {v}" for n, v in data.augmentations.items()]
        words = ", ".join([f"standardised {data.standardise}", *(done or ["not augmented"])])
        return f"as trained on: {words}; drawn in full range"

    def _place(self, samples: Samples) -> str:
        """Which images of how many are on the screen."""
        total = sum(samples.counts["training"].values())
        if self._points:
            return f"{total:,} training points"
        block = min(BLOCK, total)
        epoch, page = divmod(self._page, -(-total // block))
        first = page * block + self._first
        last = min(first + self._abreast, page * block + len(samples.before))
        return f"images {first + 1:,}–{last:,} of {total:,} of epoch {epoch + 1}"

    def _say(self, sentence: str) -> None:
        """Show a sentence in place of the pictures."""
        for name in ("before", "after"):
            self.query_one(f"#{name}-heading", Static).update("")
            self.query_one(f"#{name}", Gallery).show_pictures((), side=self._side)
        self.query_one("#known-pairs", Static).update("")
        self.query_one("#before", Gallery).say(sentence)

    def _title(self, place: str) -> None:
        self.query_one(Title).say("samples", self._plan.data.dataset, place, self._whose)


def _known(samples: Samples, *, full: bool) -> Table | Text:
    """The facts of the samples: all as pairs if `full`, else two lines."""
    if not full:
        lines = [
            Text(one_line(line), no_wrap=True, overflow="ellipsis") for line in in_brief(samples)
        ]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    table = Table.grid(padding=(0, 1))
    notes = [("what was read", samples.read), *(("note", note) for note in samples.notes)]
    for name, value in [*described(samples)[1:], *notes]:
        table.add_row(Text(name, style="dim", no_wrap=True), Text(one_line(value, LONGEST)))
    return table
