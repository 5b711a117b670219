"""Study rows: studies as rows of a list, and one study as arms by seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.text import Text

from revconsole.console import states
from revconsole.console.colours import muted, themed
from revconsole.console.widgets.live_table import TableColumn, spaced
from revconsole.lab import format as shown
from revconsole.lab.board import ArmStanding, Share, StudyEntry, View
from revconsole.lab.report.table import accuracy
from revconsole.lab.study import Standing
from revconsole.records.printable import one_line

Variables = dict[str, str]
Row = tuple[str, tuple[Text, ...]]
GOING = states.SIGNS["running"]
SEED = "seed-"
LEAST_NAME, MOST_NAME, MOST_STUDY = 12, 34, 30
SEED_WIDTH = 9
"""Width of `■ stopped` or `◔ stalled`."""
MEETING = 1
"""An empty cell before the first seed, so that the cursor does not touch the number beside it."""


def list_columns(entries: Sequence[StudyEntry], width: int) -> list[TableColumn]:
    """The columns of the list; the title gets the width that is left."""
    name = min(MOST_STUDY, max((cell_len(entry.name) for entry in entries), default=LEAST_NAME))
    room = width - 2 - (name + 1 + 2 * 9 + 8)
    longest = max((cell_len(entry.title) for entry in entries), default=0)
    columns = [
        TableColumn(key="name", label="study", width=name, right=False),
        TableColumn(key="full", label="full", width=8),
        TableColumn(key="quick", label="quick", width=8),
        TableColumn(key="from", label="from", width=7, right=False),
        TableColumn(key="title", label="question", width=max(20, room), right=False),
    ]
    apart = spaced(columns, room - min(longest, room - 1))
    title = max(20, room - sum(column.after for column in apart))
    return [*apart[:-1], replace(apart[-1], width=title)]


def list_rows(entries: Sequence[StudyEntry], variables: Variables) -> list[Row]:
    """A row for every study: how many runs of the full and of the quick form are done."""
    names = shown.told_apart([one_line(entry.name) for entry in entries], MOST_STUDY)
    return [
        (
            entry.path,
            (
                Text(name),
                *(_share(share, variables) for share in (*entry.shares, None, None)[:2]),
                Text("yours" if entry.own else "shipped", style=muted(variables)),
                Text(
                    one_line(entry.problem.removeprefix(f"{entry.path}: ")),
                    style=themed(variables, "text-error"),
                )
                if entry.problem
                else Text(one_line(entry.title)),
            ),
        )
        for entry, name in zip(entries, names, strict=True)
    ]


def _share(share: Share | None, variables: Variables) -> Text:
    if share is None:
        return Text(shown.UNKNOWN)
    going = f" {GOING}" if share.going else ""
    name = "text-primary" if share.going else "text-success" if share.done == share.total else ""
    return Text(f"{share.done}/{share.total}{going}", style=themed(variables, name))


def arm_columns(view: View, width: int) -> list[TableColumn]:
    """The columns of a study's table. Memory and gain are left out where they do not fit."""
    seeds = [
        TableColumn(key=f"{SEED}{seed}", label=f"seed {seed}", width=SEED_WIDTH, right=False)
        for seed in view.seeds
    ]
    longest = max((cell_len(arm.name) for arm in view.arms), default=LEAST_NAME)
    name = min(MOST_NAME, max(LEAST_NAME, longest))
    result = TableColumn(key="accuracy", label="test, mean ± std", width=16)
    extra = [
        TableColumn(key="gain", label="gain", width=8),
        TableColumn(key="kept", label="kept MiB", width=8),
    ]
    room = width - 1 - (name + 1) - 17 - len(seeds) * (SEED_WIDTH + 1) - MEETING
    if room < 0:
        taken = min(-room, name - LEAST_NAME)
        name, room = name - taken, room + taken
    kept = extra[: max(0, room) // 9]
    room -= 9 * len(kept)
    wider = max(name, min(longest, name + room))
    columns = [
        TableColumn(key="arm", label="arm", width=wider, right=False), result, *kept, *seeds,
    ]  # fmt: skip
    return spaced(columns, room - (wider - name) + MEETING)


def arm_rows(view: View, columns: Sequence[TableColumn], variables: Variables) -> list[Row]:
    """A row for every arm: mean and deviation over the finished seeds, and the state of each run."""
    room = next(column.width for column in columns if column.key == "arm")
    names = shown.told_apart([one_line(arm.name) or shown.UNKNOWN for arm in view.arms], room)
    return [
        (arm.name, tuple(_arm_cell(arm, name, column.key, variables) for column in columns))
        for arm, name in zip(view.arms, names, strict=True)
    ]


def _arm_cell(arm: ArmStanding, name: str, key: str, variables: Variables) -> Text:
    if key == "arm":
        return Text(name)
    if key == "accuracy":
        return Text(accuracy(arm.accuracy))
    if key == "gain":
        return Text(
            "baseline" if arm.baseline else shown.points(arm.gain),
            style=muted(variables) if arm.baseline else "",
        )
    if key == "kept":
        return Text(shown.memory(arm.kept_bytes).removesuffix(" MiB"))
    return run_cell(arm.by_seed.get(seed_of(key)), variables)


def seed_of(key: str) -> int:
    """The seed of a column's key; -1 for any other column."""
    return int(key.removeprefix(SEED)) if key.startswith(SEED) else -1


def run_cell(each: Standing | None, variables: Variables) -> Text:
    """One run as a cell: its accuracy if it is done, its epochs while it trains, else its state."""
    if each is None:
        return Text("")
    run = each.summary
    if run is None:
        return Text("· to do", style=muted(variables))
    text = states.shown(run.state, variables, alarm=run.alarm, brief=True)
    sign = "!" if run.alarm else states.SIGNS[run.state]
    if run.state == "finished":
        return Text(f"{sign} {shown.percent(run.test_accuracy)}", style=text.style)
    if run.state == "running":
        return Text(f"{sign} {run.epoch}/{run.plan.epochs}", style=text.style)
    return text


def run_line(arm: str, each: Standing | None, variables: Variables) -> Text:
    """The run under the cursor as text: its name, its state, and why it ended early."""
    if each is None:
        return Text("")
    where = f"{one_line(arm)}, seed {each.plan.seed}: "
    run = each.summary
    if run is None:
        return Text(f"{where}not begun, {each.plan.epochs} epochs", style="dim")
    line = Text(where)
    line.append_text(states.shown(run.state, variables, alarm=run.alarm))
    parts = [
        f"epoch {run.epoch}/{run.plan.epochs}",
        "" if run.ended else one_line(run.trained_on, 20),
        f"ETA {shown.clock(run.eta_seconds)}" if run.eta_seconds is not None else "",
        f"val {shown.percent(run.best_validation_accuracy)}",
        shown.duration(run.seconds) if run.ended else "",
        run.id,
    ]
    line.append("".join(f" · {part}" for part in parts if part), style="not bold")
    if run.reason:
        line.append(
            f"\n{one_line(run.reason, 300)}", style=themed(variables, states.COLOURS[run.state])
        )
    return line


def failed(standing: Iterable[Standing]) -> int:
    """How many runs ended early for another reason than that somebody stopped them."""
    early = [e.summary for e in standing if e.progress == "interrupted" and e.summary]
    return sum(run.state != "stopped" for run in early)


def by_device(standing: Sequence[Standing], width: int) -> str:
    """Which device trains what, one beside the other as far as the width allows; empty unless several runs train."""
    training = sorted(
        (
            run.trained_on or run.state,
            f"{each.plan.arm} {each.plan.seed}, {run.epoch}/{run.plan.epochs}",
        )
        for each in standing
        if (run := each.summary) is not None and not run.ended and run.state != "queued"
    )
    parts = [f"{one_line(device, 20)} {one_line(what, MOST_NAME)}" for device, what in training]
    shown = 1
    while shown < len(parts) and cell_len(" · ".join(parts[: shown + 1])) < width - 10:
        shown += 1
    more = [f"{len(parts) - shown} more"] if shown < len(parts) else []
    return " · ".join([*parts[:shown], *more]) if len(parts) > 1 else ""


def told_apart(ids: list[str], most: int) -> tuple[list[str], str]:
    """The runs of as many arms as are compared at once, and a sentence if some are left out."""
    if len(ids) <= most:
        return ids, ""
    return ids[:most], f"the first {most} of {len(ids)} arms: more curves are not told apart"
