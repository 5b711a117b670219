"""Examination: `python -m revconsole.training.questions.examination` reads plans, a line of JSON each, and answers each with a line.

What it answers is in `revconsole.records.settings.verdict`; what it looks at, in `readiness`.
"""

import json
import os
import sys
from pathlib import Path
from typing import IO

from revconsole.errors import RevconsoleError
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import verdict
from revconsole.records.settings.plan import Plan
from revconsole.training.questions.readiness import refuse_unready


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer until there is no question."""
    for line in questions:
        answers.write(verdict.as_line(_problem(line)) + "\n")
        answers.flush()


def _problem(line: str) -> RevconsoleError | None:
    asked = json.loads(line)
    try:
        plan, store = Plan.model_validate(asked["plan"]), RunStore(Path(asked["store"]))
        refuse_unready(plan, store, own_code=asked["own_code"])
    except RevconsoleError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever it is, the other process says it
        return RevconsoleError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return None


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    serve(sys.stdin, own)
