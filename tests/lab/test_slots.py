"""Which devices a study trains on, and how many runs fit on each: what is not there is refused with what is."""

from types import SimpleNamespace

import pytest

from revconsole.errors import RevconsoleError
from revconsole.lab import slots
from revconsole.records import devices, host
from revconsole.records.settings.plan import Plan

GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """A function: a machine with so many cards and cores."""

    def made(cards=0, cores=4, total=80 * GIB):
        monkeypatch.delenv(devices.VISIBLE, raising=False)
        monkeypatch.setattr(
            devices, "_cards", lambda: {f"cuda:{number}": "" for number in range(cards)}
        )
        monkeypatch.setattr(devices, "memory", lambda _: (total // 2, total))
        monkeypatch.setattr(host, "cores", lambda: cores)
        monkeypatch.setattr(devices.platform, "machine", lambda: "x86_64")

    return made


@pytest.mark.parametrize(
    ("cards", "text", "names"),
    [
        (4, "all", ("cuda:0", "cuda:1", "cuda:2", "cuda:3")),
        (4, "2", ("cuda:0", "cuda:1")),
        (4, "cuda:3, cuda:1", ("cuda:3", "cuda:1")),
        (4, "cuda", ("cuda:0",)),
        (4, "cpu:3", ("cpu", "cpu", "cpu")),
        (0, "all", ("cpu",)),
        (0, "1", ("cpu",)),
        (0, "cpu", ("cpu",)),
    ],
)
def test_devices_are_named_or_counted(machine, cards, text, names):
    machine(cards)
    assert slots.slots(text) == names


@pytest.mark.parametrize(
    ("cards", "text", "said", "code"),
    [
        (2, "cuda:9", "there is no cuda:9 on this machine; there is cuda:0, cuda:1 and cpu", 4),
        (0, "cuda:0", "there is no cuda:0 on this machine; there is cpu", 4),
        (2, "8", "--devices 8: this machine has 2 devices to train on: cuda:0 and cuda:1", 4),
        (0, "8", "1 device to train on: cpu; cpu:4 is a run on each of its cores", 4),
        (2, "0", "--devices 0: this machine has 2 devices", 4),
        (2, "cuda:1,cuda:1", "--devices: names cuda:1 twice; --per-device 2 trains two", 2),
        (2, "cuda,cuda:0", "--devices: names cuda:0 twice", 2),
        (0, "cpu:2,cpu", "--devices: names cpu twice", 2),
        (0, "cpu:5", "takes at most cpu:4, a core for each run, and at least cpu:1, not cpu:5", 2),
        (0, "cpu:0", "at least cpu:1, not cpu:0", 2),
        (2, "cuda:0,cpu:2", "takes devices of one kind, not cpu and cuda", 2),
        (2, "cuda:x", "takes a number after cuda:, as cuda:1, not 'x'", 2),
        (2, "cudo:1", "there is no device 'cudo:1'", 2),
        (2, "mps", "there is no device 'mps'", 2),
        (2, "", "there is no device ''", 2),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(machine, cards, text, said, code):
    machine(cards)
    with pytest.raises(RevconsoleError) as refused:
        slots.slots(text)

    assert said in str(refused.value)
    assert refused.value.exit_code == code
    assert "\n" not in str(refused.value)


def test_a_card_counts_among_those_that_this_process_may_use(machine, monkeypatch):
    machine(4)
    monkeypatch.setenv(devices.VISIBLE, "2,3")

    assert slots.slots("all") == ("cuda:2", "cuda:3")
    assert slots.slots("cuda:3") == ("cuda:3",), "as the driver numbers it, and `queue` shows it"
    with pytest.raises(
        RevconsoleError, match="no cuda:1 on this machine; there is cuda:2, cuda:3 and cpu"
    ):
        slots.slots("cuda:1")


def seen(*needs, name="an arm"):
    """What is foreseen of runs that need so many bytes."""
    plan = Plan.model_validate({"name": name})
    return [
        SimpleNamespace(
            plan=plan,
            own=SimpleNamespace(bounds=SimpleNamespace(high=need)),
            unsure="",
            why_not="",
        )
        for need in needs
    ]


CARDS = ("cuda:0", "cuda:1")


def test_as_many_as_fit_are_as_many_as_the_largest_run_lets(machine):
    machine(2)
    names, why = slots.on_each(None, CARDS, seen(GIB, 30 * GIB, 2 * GIB))

    assert names == CARDS * 2
    assert why == "80.0 GiB hold 2 runs at once of up to 30.0 GiB each (an arm)"
    assert slots.on_each(None, CARDS, seen(100 * GIB))[0] == CARDS
    assert slots.on_each(None, CARDS, seen(GIB))[0] == CARDS * slots.MOST_EACH


def test_more_than_fit_are_refused_with_how_many_do(machine):
    machine(2)
    assert slots.on_each(2, CARDS, seen(30 * GIB))[0] == CARDS * 2
    with pytest.raises(RevconsoleError, match="3 runs do not fit on a device at once: 80"):
        slots.on_each(3, CARDS, seen(30 * GIB))


def test_where_it_is_not_known_what_fits_auto_is_one_and_a_number_is_believed(machine):
    machine(2)
    unknown = seen(GIB)
    unknown[0].own = None
    unknown[0].why_not = "its memory could not be foreseen"

    assert slots.on_each(None, CARDS, unknown) == (
        CARDS,
        "how many fit is not known: its memory could not be foreseen",
    )
    assert slots.on_each(3, CARDS, unknown)[0] == CARDS * 3


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        ("0", CARDS, "takes a number of runs, or auto, not '0'"),
        ("x", CARDS, "takes a number of runs, or auto, not 'x'"),
        ("-1", CARDS, "takes a number of runs, or auto, not '-1'"),
        ("17", CARDS, "17 runs at once on a device only take turns; cards take 16"),
        ("5", ("cpu",), "5 runs at once on a device only take turns; this machine has 4 cores"),
        ("2", ("cpu", "cpu"), "is for cards: cpu:2 says already how many train at once"),
    ],
)
def test_how_many_on_each_device_is_a_number_or_auto(machine, text, names, said):
    machine(2)
    with pytest.raises(RevconsoleError) as refused:
        slots.wanted_each(text, names)
    assert said in str(refused.value)
