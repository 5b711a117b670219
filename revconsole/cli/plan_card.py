"""The least time on a card, as `plan --card` prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from revconsole.cli import output
from revconsole.errors import ProfileError
from revconsole.lab import format as form
from revconsole.lab.at_peak import (
    OPTION,
    LeastTime,
    NamedCard,
    card_named,
    entry,
    least_time,
    sentence,
)
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

DEVICE = "train.device"
ON_TOP = (
    "at least: forward, backward and recomputation of all training steps at the card's peak; evaluation, data, everything that is "
    "no product, and what a kernel loses come on top"
)

CardName = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="NAME",
        help="Also say the least time on a card, as H100 or 'RTX 4090', from the multiply-adds of training and its peak; "
        "memory is then foreseen as on CUDA.",
    ),
]
Utilisation = Annotated[
    float | None,
    typer.Option(
        min=0.0001,
        max=1.0,
        metavar="SHARE",
        help="With --card: also the time at this share of its peak, such as 0.4, that your runs reach.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCard:
    """What is asked about a card; card is None where nothing is. share: of its peak, if one is given."""

    card: NamedCard | None = None
    share: float | None = None

    def on_cuda(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings, for CUDA where a card is asked about. Raises ProfileError beside another device."""
        if self.card is None:
            return dict(settings)
        device = settings.get(DEVICE, "cuda")
        if str(device).partition(":")[0] not in {"cuda", "auto"}:
            raise ProfileError(
                COMMAND_LINE, f"{DEVICE}={device}", f"does not go with {OPTION} {self.card.title}"
            )
        return {**settings, DEVICE: "cuda"}

    def least(self, plans: Sequence[Plan]) -> list[LeastTime]:
        """The least time of each run; empty where no card is asked about. Raises as `least_time` does."""
        return [least_time(each, self.card) for each in plans if self.card]

    def complete(self, entries: Sequence[dict[str, Any]], times: Sequence[LeastTime]) -> None:
        """Add the times to the rows that JSON has."""
        for row, time in zip(entries, times, strict=bool(times)):
            row["least_time"] = self.card and entry(self.card, time, self.share)

    def say(self, plans: Sequence[Plan], times: Sequence[LeastTime]) -> None:
        """Print the least time of each run, and of all together."""
        if self.card is None:
            return
        shares = [1.0, *filter(None, [self.share])]
        rows = [
            [
                plan.name, plan.backward, plan.train.precision, form.both_counts(time.multiply_adds),
                *(form.duration(time.seconds(share)) for share in shares),
            ]
            for plan, time in zip(plans, times, strict=True)
        ]  # fmt: skip
        reasons = [time.why_not or None for time in times]
        heads = ["at least", *(f"at {share:.0%}" for share in shares[1:])]
        columns = ["name", "backward", "precision", "multiply-adds (FLOPs) of training", *heads]
        output.print_judged(columns, rows, reasons, yields=columns[1:3], stays=columns[3:])
        output.print_sentence(sentence(self.card, times, self.share))
        output.say(ON_TOP)


def asked(name: str | None, share: float | None) -> AskedCard:
    """What is asked about the card of that name. Raises UnknownName, and ProfileError for a share of no card."""
    if name is None and share is not None:
        reason = f"belongs to {OPTION}: {OPTION} H100 --utilisation 0.4"
        raise ProfileError(COMMAND_LINE, "--utilisation", reason)
    return AskedCard(card=None if name is None else card_named(name), share=share)
