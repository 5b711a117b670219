"""Audits: what `verify` said last of a model, in the user's cache, so that the screen of a run can say it again."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from revconsole.records.foresight import cache
from revconsole.records.runs.run import AuditFinding
from revconsole.records.settings.plan import Plan

FORMAT = 1
"""Number of the way of keeping; another number is another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAudit:
    """What was found, and when, in seconds since 1970."""

    time: float
    findings: tuple[AuditFinding, ...]


def known(plan: Plan) -> KeptAudit | None:
    """What `verify` found of such a plan last; None if nothing, or if the file is damaged."""
    return cache.read_as(_ADAPTER, _name(plan))


def keep(plan: Plan, findings: Sequence[AuditFinding]) -> None:
    """Keep what was found now, or do nothing if the folder cannot be written."""
    audit = KeptAudit(time=time.time(), findings=tuple(findings))
    cache.write(_name(plan), json.dumps(asdict(audit)).encode())


def _name(plan: Plan) -> str:
    """Everything that an audit depends on, but for the numbers that are drawn."""
    sections = plan.model_dump(mode="json", include={"model", "scheme", "backward", "data"})
    train = [plan.train.precision, plan.train.freeze, plan.train.batch]
    return cache.digest(["audit", FORMAT, sections, train, cache.versions()])


_ADAPTER: TypeAdapter[KeptAudit] = TypeAdapter(KeptAudit)
