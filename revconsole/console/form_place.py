"""Form place: the last rows of the launch form: where its runs train, on which devices, and whether they wait. No widgets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from revconsole.console import slurm_places, study_choices
from revconsole.console.widgets.setting_rows import Option, Row
from revconsole.errors import RevconsoleError

LAUNCHER, DEVICES, BEGINS = "launcher", "devices", "begins"
KEYS = frozenset({LAUNCHER, DEVICES, BEGINS})
HERE, ASIDE, NAMED = "thread", "process", "devices"
LAUNCHERS = (("this console", HERE), ("background process", ASIDE), ("devices by name", NAMED))
TURN, NOW = "turn", "now"
NO_COMMAND = "several runs at once: `revconsole study run` has --devices, `train` has not"


def rows(places: Sequence[Option]) -> Iterator[Row]:
    """The rows. places: where else than on this machine the runs can train."""
    outlive = (
        "a background process and a job outlive" if places else "a background process outlives"
    )
    yield Row(
        key=LAUNCHER, label="trains in", options=(*LAUNCHERS, *places), text=HERE, known=HERE,
        hint=f"{outlive} this terminal",
    )  # fmt: skip
    yield Row(
        key=DEVICES, label="devices", text="all", known="all",
        hint="a run on each: all, a number, cuda:0,cuda:1; cpu:2 is two at once; behind it --per-device 2",
    )  # fmt: skip
    yield Row(
        key=BEGINS, label="begins", options=(("in its turn", TURN), ("now, beside others", NOW)), text=TURN, known=TURN,
        hint="on a device one run trains at a time, unless it begins now",
    )  # fmt: skip


def shown(launcher: str) -> tuple[str, ...]:
    """The keys of the rows that a launcher has a use for."""
    if slurm_places.is_place(launcher):
        return (LAUNCHER,)
    return (LAUNCHER, DEVICES, BEGINS) if launcher == NAMED else (LAUNCHER, BEGINS)


@dataclass(frozen=True, slots=True)
class FormPlace:
    """What the rows say."""

    launcher: str
    devices: str
    begins: str

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> "FormPlace":
        """The place that the texts of the rows say, by key."""
        return cls(texts[LAUNCHER], texts[DEVICES].strip(), texts[BEGINS])

    @property
    def slurm(self) -> bool:
        """Whether the runs train in jobs, whose machine is not known here."""
        return slurm_places.is_place(self.launcher)

    @property
    def now(self) -> bool:
        """Whether the runs do not wait for their turn."""
        return self.begins == NOW and not self.slurm

    @property
    def answer(self) -> str:
        """The place as an answer to where a study is to train; see `study_choices`."""
        return study_choices.NAMED + self.devices if self.launcher == NAMED else self.launcher

    @property
    def problem(self) -> str:
        """What is wrong with the devices; empty if nothing is."""
        try:
            if self.launcher == NAMED:
                study_choices.named_devices(self.answer)
        except (RevconsoleError, ValueError) as error:
            return getattr(error, "reason", str(error))
        return ""

    def command(self, command: str) -> str:
        """The command of the form with what the place adds to it; empty if there is none."""
        if not command or self.launcher == NAMED:
            return ""
        place = f" --on {self.launcher}" if self.slurm else ""
        return f"{command}{place}{' --detach' * (self.launcher == ASIDE)}{' --now' * self.now}"
