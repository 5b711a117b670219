"""Keys that arrive at once act one after another, as if somebody had waited for each."""

import asyncio
import os
import random
import re

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.command import CommandPalette
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, DataTable, Input

from revconsole.console import keyboard
from revconsole.console.escape import Behind, Parser
from revconsole.console.keyboard import Keyboard
from revconsole.console.widgets.setting import LineField, SettingList
from revconsole.records.config import places
from revconsole.records.settings.profile import parse_assignments
from tests.console.conftest import settled

pytestmark = pytest.mark.usefixtures("every_frame")  # keys wait for what is painted

SEEDS = range(int(os.environ.get("BURSTS", "1")))
MOVES = ["tab", "shift+tab", "down", "up", "enter", "escape", "space", "question_mark", "ctrl+p"]
TO_SCREEN = {
    "runs": [],
    "filter": ["slash"],
    "run": ["enter"],
    "comparison": ["space", "space", "c"],
    "launch": ["n"],
    "studies": ["t"],
    "study": ["t", "G", *["k"] * 3, "enter"],
    "reversibility": ["j", "enter", "R"],
    "system": ["S"],
    "places": ["semicolon"],
    "help": ["question_mark"],
    "ask": ["s"],
    "palette": ["ctrl+p"],
}
"""The keys that open each screen, and those that mean something there; none that would train."""
OF_SCREEN = {
    "runs": ["slash", "o", "j", "k", "c", "t", "n", "s", "x", "1"],
    "filter": ["b", "d", "i", "a", "slash", "o", "n", "backspace", "left", "1"],
    "run": ["f", "x", "+", "-", "0", "e", "v", "f", "m", "a"],
    "comparison": ["b", "f", "x", "+", "0", "j", "s", "p", "m", "a"],
    "launch": [*"1234=.mab", "j", "k", "ctrl+y", "home", "backspace"],
    "studies": ["j", "k", "G", "g"],
    "study": ["t", "o", "c", "y", "l", "h", "s", "1", "backspace"],
    "reversibility": ["m", "a", "f", "x", "y", "0", "left", "right"],
    "system": ["j", "k", "S", "n"],
    "places": ["a", "b", "1", "c"],
    "help": ["j", "k", "q"],
    "ask": ["h", "l", "n", "j", "y"],
    "palette": [*"stopcyhel", "backspace"],
}


@pytest.fixture
def stocked(store, recorder, lab, tiny_study):
    """Runs of every kind that lasts: done, and ended early."""
    recorder.finished("one", scheme="bdia")
    recorder.finished("two", scheme="additive")
    _, attempt = recorder.begin("three", scheme="momentum")
    recorder.epoch(attempt, 1)
    yield
    attempt.close()


async def rest(stage):
    """As long as anybody would wait to see what a key does: nothing moves any more."""
    before = None
    while stage.app.is_running and (before != state(stage) or not stage.app.reader.settled):
        before = state(stage)
        await settled(stage.app)
        await asyncio.sleep(0.05)


def state(stage):
    """What keys can change: screens, focus, what is typed, the cursors, what is written."""
    app = stage.app
    if not app.is_running:
        return "left"
    screen = app.screen
    inputs = [each.value for each in screen.query(Input)]
    cursors = [table.cursor_coordinate for table in screen.query(DataTable)]
    focused = app.focused and (type(app.focused), app.focused.id, app.focused.parent.id)
    screens = [type(each).__name__ for each in app.screen_stack]
    return screens, focused, inputs, cursors, screen.maximized and screen.maximized.id, words(stage)


def words(stage):
    """The screen without what changes by itself; of the palette, what is behind it is not of interest."""
    if isinstance(stage.app.screen, CommandPalette):
        return []
    by_itself = r"[\d:,.]+|[●◔] \w+|running|stalled|· .*parameters.*"
    return re.sub(by_itself, "", stage.text).split()


async def after(opened, keys, *, at_once):
    """The state after these keys: all at once, or each when the one before has acted. Nothing is remembered of it."""
    async with opened(100, 30, toasts=False) as stage:
        await stage.shows("one", "two", "three")
        for burst in [keys] if at_once else [[key] for key in keys]:
            await stage.press_at_once(*burst)
            await stage.until(lambda: stage.app.keyboard.idle or not stage.app.is_running)
            await rest(stage)
        places.view_file(stage.app.lab.store.root).unlink(missing_ok=True)
        return state(stage)


def burst(screen, seed):
    """Keys that open a screen, and some more, as a cat would type them."""
    dice = random.Random(f"{screen} {seed}")
    typed = dice.choices([*MOVES, *OF_SCREEN[screen] * 2], k=dice.randint(3, 8))
    return [*TO_SCREEN[screen], *typed]


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("screen", TO_SCREEN)
async def test_a_burst_does_what_the_same_keys_do_one_at_a_time(opened, screen, seed):
    keys = burst(screen, seed)
    slow = await after(opened, keys, at_once=False)
    assert await after(opened, keys, at_once=True) == slow, keys


NEVER = {
    "quit",
    "suspend",
    "launch",
    "hand_over",
    "run",
    "measure",
    "screen.launch",
    "begin_now",
    "command_palette",
}
"""Actions that leave, that train, or that search in threads for as long as they are open."""


@pytest.mark.usefixtures("stocked")
async def test_every_key_of_every_screen_at_once_and_in_any_order_ends_in_a_console_that_goes_on(
    opened, seed
):
    async with opened(100, 30, toasts=False) as stage:
        await stage.shows("one", "two", "three")
        for screen in (each for each in TO_SCREEN if each not in {"palette", "launch"}):
            await stage.press_at_once(*TO_SCREEN[screen])
            await stage.until(lambda: stage.app.keyboard.idle)
            keys = sorted({
                each.binding.key
                for each in stage.app.screen.active_bindings.values()
                if each.binding.action not in NEVER and each.binding.key not in {"enter", "q"}
            })  # fmt: skip
            random.Random(f"{screen} {seed}").shuffle(keys)
            await stage.press_at_once(*keys)
            await stage.until(lambda: stage.app.keyboard.idle)
            assert stage.app.is_running, (screen, keys)
            while len(stage.app.screen_stack) > 1:
                stage.app.pop_screen()
                await stage.pilot.pause()
            await stage.press_at_once("escape", "escape")
        await stage.shows("revconsole", "runs")


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", SEEDS)


def form(stage) -> SettingList:
    return stage.app.screen.query_one(SettingList)


async def at_field(stage, key):
    """The form, with the focus on one of its fields."""
    await stage.shows("No runs yet")
    await stage.press("n")
    await stage.shows("launches")
    await stage.press_at_once(*["enter", *"small", "enter"])
    await stage.shows("launches 1 run", "train small")
    form(stage).go(key)
    await stage.pilot.pause()


@pytest.mark.parametrize("keys", [("down", "up"), ("tab", "shift+tab")])
async def test_digits_between_moves_land_in_the_field_moved_to(opened, keys):
    on, back = keys
    async with opened(100, 40) as stage:
        await at_field(stage, "model.patch")
        await stage.press_at_once("4", on, "1", on, "1", on, "8", back, back, "6")
        await stage.shows("model.dim=8", "model.depth=6")
        assert form(stage).text("model.patch") == "4"
        assert form(stage).text("model.depth") == "6"
        assert form(stage).text("model.heads") == "1"
        assert form(stage).text("model.dim") == "8"


@pytest.mark.parametrize("words", ["train.epochs=1 train.batch=16", "scheme.name=additive"])
async def test_a_launch_key_launches_the_form_as_it_stands_after_the_keys_before(
    opened, lab, words
):
    async with opened(100, 40) as stage:
        await at_field(stage, "other")
        await stage.press_at_once(*words, "ctrl+l")
        await stage.until(lab.store.list)
        wanted = lab.plan("small", parse_assignments(words.split())).plans[0]
        (run,) = lab.store.list()
        assert (run.plan.name, run.plan.digest()) == (wanted.name, wanted.digest())
        lab.stop(lab.store.list()[0].id)
        await stage.until(lambda: not lab.busy())


async def test_a_launch_key_after_words_that_are_wrong_launches_nothing(opened, lab):
    async with opened(100, 40) as stage:
        await at_field(stage, "other")
        await stage.press_at_once(*"model.heads=5", "ctrl+l")
        await stage.shows("nothing launched, heads: 5 heads do not divide dim 16")
        assert lab.store.list() == ()


async def test_a_launch_that_is_asked_for_by_no_key_is_of_what_was_typed_last(opened, lab):
    async with opened(100, 40) as stage:
        await at_field(stage, "train.epochs")
        stage.app.screen.query_one(LineField).value = "1"
        stage.app.screen.action_launch()
        await stage.until(lab.store.list)
        assert lab.store.list()[0].plan.train.epochs == 1
        await stage.until(lambda: not lab.busy())


async def test_what_changed_without_a_word_is_judged_and_launched(opened, lab):
    """Nobody waits for word of a change that does not come."""
    async with opened(100, 40) as stage:
        await at_field(stage, "train.epochs")
        entry = stage.app.screen.query_one(LineField)
        with entry.prevent(Input.Changed):
            entry.value = "1"
        stage.app.screen.action_launch()
        await stage.until(lab.store.list)
        assert lab.store.list()[0].plan.train.epochs == 1
        await stage.until(lambda: not lab.busy())


async def test_a_paste_keeps_its_place_among_the_keys(opened):
    async with opened(100, 40) as stage:
        await at_field(stage, "train.epochs")
        await stage.press_at_once("8", "down")
        stage.app.post_message(events.Paste("0.5"))
        await stage.press_at_once("home", "1")
        await stage.until(lambda: form(stage).text("train.batch") == "10.5")
        assert form(stage).text("train.epochs") == "8"


async def test_a_long_text_is_typed_whole(opened):
    async with opened(100, 40) as stage:
        await at_field(stage, "other")
        text = "abcde" * 10
        await stage.press_at_once(*text)
        await stage.until(lambda: form(stage).text("other") == text)


async def soon(happened):
    for _ in range(4000):
        if happened():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


class Sleeper(Widget):
    class Sleep(Message):
        pass

    async def on_sleeper_sleep(self):
        await self.app.enough.wait()


class Sleepy(App[None]):
    """Handlers that wait for long: for a dialog, from a worker, or for nothing at all."""

    BINDINGS = [("d", "dialog", ""), ("z", "sleep", ""), ("c", "count", "")]  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.keyboard, self.said, self.counted = Keyboard(self, lambda: True), [], 0
        self.enough = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Button("focused")
        yield Sleeper()

    async def on_event(self, event):
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if not (typed and self.keyboard.keeps(event)):
            await super().on_event(event)

    def action_dialog(self):
        self.run_worker(self._ask())

    async def _ask(self):
        self.said.append(await self.push_screen_wait(Question()))

    def action_count(self):
        self.counted += 1

    def on_button_pressed(self):
        self.query_one(Sleeper).post_message(Sleeper.Sleep())


class Question(ModalScreen[str]):
    BINDINGS = [("y", "dismiss('yes')", "")]  # noqa: RUF012


async def test_keys_reach_a_dialog_that_a_worker_waits_for():
    app = Sleepy()
    async with app.run_test():
        for key in ("d", "y", "d", "y", "c"):
            app.post_message(events.Key(key, key))
        await soon(lambda: app.counted)
        assert (app.said, app.counted) == (["yes", "yes"], 1)


async def test_a_handler_that_never_ends_holds_keys_up_for_a_while_only(monkeypatch):
    monkeypatch.setattr(keyboard, "PATIENCE_SECONDS", 0.2)
    app = Sleepy()
    async with app.run_test():
        app.post_message(events.Key("enter", "\r"))
        for _ in range(20):
            app.post_message(events.Key("c", "c"))
        try:
            await soon(lambda: app.counted == 20)
        finally:
            app.enough.set()


async def test_nothing_runs_while_nobody_types(opened):
    async with opened() as stage:
        await stage.press("j")
        await stage.until(lambda: stage.app.keyboard.idle)
        assert "keyboard" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1bnt", ["escape", "n", "t"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b\x0c", ["escape", "ctrl+l"]),
        ("\x1b/x", ["escape", "slash", "x"]),
        ("\x1b" + "j" * 40, ["escape", *["j"] * 40]),
        ("\x1b[B\x1b\x1b[B", ["down", "escape", "down"]),
        ("\x1bb\x1b1", ["escape", "b", "escape", "1"]),
        ("\x1b\x7f", ["ctrl+w"]),
        ("\x1b[Z\x1b[1;3D", ["shift+tab", "alt+left"]),
    ],
)
def test_escape_and_the_key_behind_it_are_two_keys(sent, keys):
    parser = Parser()
    found = [key for event in parser.feed(sent) for key in keyboard.apart(event, None)]
    assert [key.key for key in found] == keys


def test_in_a_line_of_text_alt_and_two_letters_move_by_words():
    (event,) = Parser().feed("\x1bb")
    assert isinstance(event, Behind)
    assert [key.key for key in keyboard.apart(event, Input())] == ["ctrl+left"]
