"""Slots: the workers of a study over devices: on which devices of this machine, and how many runs at once on each."""

from collections.abc import Iterable, Mapping, Sequence

from revconsole.errors import DeviceUnavailable, ProfileError, RevconsoleError, UnknownName
from revconsole.lab import format as form
from revconsole.lab import room
from revconsole.lab.launchers.process import Workers
from revconsole.lab.outlook import Outlook, foretold, outlook
from revconsole.lab.report.wording import listed
from revconsole.records import devices, host
from revconsole.records.foresight import cache, foreseen
from revconsole.records.printable import one_line, plural
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

ALL, AUTO = "all", "auto"
DEVICES, EACH = "--devices", "--per-device"
MOST_EACH = 16
"""Most runs at once on one card: more only take turns."""


def slots(text: str) -> tuple[str, ...]:
    """The device of each worker: `all`, a number of devices, or a list as cuda:0,cuda:1; cpu:2 is two workers on the CPU.

    Cards have the names that all processes share, with the numbers of the driver.

    Raises DeviceUnavailable for a device that is not here, ProfileError and UnknownName for what is none.
    """
    if text == ALL:
        return devices.candidates("auto")
    if text.isascii() and text.isdecimal():
        return _first(int(text))
    named = [slot for word in text.split(",") for slot in _named(word.strip())]
    twice = next((name for name in named if named.count(name) > 1 and name != "cpu"), "")
    if twice or text.count("cpu") > 1:
        raise _wrong(
            DEVICES,
            f"names {twice or 'cpu'} twice; {EACH} 2 trains two runs at once on each device",
        )
    kinds = sorted({name.partition(":")[0] for name in named})
    if len(kinds) > 1:
        raise _wrong(
            DEVICES,
            f"takes devices of one kind, not {' and '.join(kinds)}: runs of one study would differ by their device",
        )
    return tuple(named)


def _first(count: int) -> tuple[str, ...]:
    here = devices.candidates("auto")
    if not 1 <= count <= len(here):
        most = host.cores()
        more = (
            f"; cpu:{most} is a run on each of its cores" if here == ("cpu",) and most > 1 else ""
        )
        raise DeviceUnavailable(
            f"{DEVICES} {count}: this machine has {plural(len(here), 'device')} to train on: {listed(here)}{more}"
        )
    return here[:count]


def _named(word: str) -> tuple[str, ...]:
    """The workers that one word of the list stands for."""
    kind, _, number = word.partition(":")
    if number and not (number.isascii() and number.isdecimal()):
        raise _wrong(
            DEVICES, f"takes a number after {kind}:, as {kind}:1, not {one_line(number, 40)!r}"
        )
    here = devices.candidates("auto")
    match kind:
        case "cpu":
            return ("cpu",) * _cores(int(number or 1))
        case "mps" if not number and "mps" in here:
            return ("mps",)
        case "cuda":
            cards = [each for each in here if each.startswith("cuda")]
            if number and word in cards:
                return (word,)
            if not number and cards:
                return (cards[0],)
            raise DeviceUnavailable(
                f"{DEVICES}: there is no {word} on this machine; there is {listed([*cards, 'cpu'])}"
            )
    raise UnknownName("device", one_line(word, 40), {ALL, *here, "cpu"})


def _cores(count: int) -> int:
    most = host.cores()
    if not 1 <= count <= most:
        raise _wrong(
            DEVICES,
            f"takes at most cpu:{most}, a core for each run, and at least cpu:1, not cpu:{count}",
        )
    return count


def wanted_each(text: str, chosen: Sequence[str]) -> int | None:
    """How many runs are wanted on each device at once; None for `auto`. Raises ProfileError."""
    if len(set(chosen)) < len(chosen):
        raise _wrong(EACH, f"is for cards: cpu:{len(chosen)} says already how many train at once")
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise _wrong(EACH, f"takes a number of runs, or {AUTO}, not {one_line(text, 40)!r}")
    most = _most(chosen)
    if int(text) > most:
        why = f"; cards take {most}" if most == MOST_EACH else f"; this machine has {most} cores"
        raise _wrong(EACH, f"{text} runs at once on a device only take turns{why}")
    return int(text)


def fitting(chosen: Sequence[str], outlooks: Iterable[Outlook]) -> tuple[int | None, str]:
    """How many runs of the largest surely fit into the memory of each device, and a sentence on that; None if unknown."""
    largest, name = 0, ""
    for found in outlooks:
        need = need_of(found)
        if need is None:
            return None, f"how many fit is not known: {found.why_not or found.unsure}"
        largest, name = max((largest, name), (need, found.plan.arm or found.plan.name))
    rooms = [room for device in dict.fromkeys(chosen) if (room := devices.memory(device))]
    if not rooms or not largest:
        return None, "how many fit is not known: the memory of the device cannot be read"
    total = min(total for _, total in rooms)
    holds = f"{form.gibibytes(total)} hold {total // largest:,} runs at once"
    return total // largest, f"{holds} of up to {form.gibibytes(largest)} each ({one_line(name)})"


def on_each(
    wanted: int | None, chosen: tuple[str, ...], found: Iterable[Outlook]
) -> tuple[tuple[str, ...], str]:
    """The workers, several on each device, and a sentence on what fits. wanted: None for as many as surely fit.

    found: the outlook of every run. Raises ProfileError if so many do not fit.
    """
    fit, why = fitting(chosen, found)
    if wanted is None:
        return chosen * max(1, min(fit or 1, _most(chosen))), why
    if fit is not None and wanted > fit:
        raise _wrong(EACH, f"{wanted} runs do not fit on a device at once: {why}")
    return chosen * wanted, why


def workers(
    plans: Sequence[Plan], runs: Sequence[Summary], names: tuple[str, ...], per_device: str
) -> tuple[Workers, str]:
    """The workers of a study, as many on each device as is wanted, and a sentence on how many fit, if that was asked.

    per_device: a number, `auto`, or empty for one on each. runs: those of the store. Raises ProfileError if so many do not fit,
    or a run needs several devices.
    """
    if several := next((plan for plan in plans if plan.train.gpus != 1), None):
        raise ProfileError(
            COMMAND_LINE,
            "train.gpus",
            f"{several.train.gpus} does not go with {DEVICES}, which gives each run one device ({several.name}); leave one out",
        )
    found, why = outlooks(plans, runs, make=bool(per_device)), ""
    if per_device:
        names, why = on_each(wanted_each(per_device, names), names, found.values())
    return Workers(slots=names, needs=needs(found)), why


def _most(chosen: Sequence[str]) -> int:
    """Most runs at once on a device that are of use."""
    return MOST_EACH if chosen[0].startswith("cuda") else host.cores()


def outlooks(plans: Iterable[Plan], runs: Sequence[Summary], *, make: bool) -> dict[str, Outlook]:
    """What the step of each run would take, by digest of its plan; runs alike in that are looked at once.

    make: also what was not foreseen before, which loads torch and takes seconds for each kind of model.
    """
    found: dict[str, Outlook] = {}
    alike: dict[object, Outlook | None] = {}
    for plan in plans:
        kind = room.kind_of(plan)
        key = (
            cache.key(plan, plan.backward, kind) or plan.digest(),
            plan.train.micro_batch,
            plan.train.accumulate,
        )
        if key not in alike:
            alike[key] = _outlook(plan, runs, make=make)
        if (outlook := alike[key]) is not None:
            found[plan.digest()] = outlook
    return found


def _outlook(plan: Plan, runs: Sequence[Summary], *, make: bool) -> Outlook | None:
    """None if it is not known and not to be made, or cannot be."""
    try:
        if make:
            return outlook(plan, memory=None, runs=runs)
        known = foreseen.known(plan, room.kind_of(plan))
        return None if known is None else foretold(plan, known, memory=None, runs=runs)
    except RevconsoleError:
        return None


def needs(found: Mapping[str, Outlook]) -> dict[str, int]:
    """Bytes that each run takes at most, by digest of its plan, where they are foreseen."""
    known = {digest: need_of(each) for digest, each in found.items()}
    return {digest: need for digest, need in known.items() if need is not None}


def need_of(found: Outlook) -> int | None:
    """Bytes of its device's memory that a run takes at most; None if they could not be foreseen."""
    return None if found.own is None or found.unsure else found.own.bounds.high


def _wrong(option: str, why: str) -> ProfileError:
    return ProfileError(COMMAND_LINE, option, why)
