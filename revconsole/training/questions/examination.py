"""Examination: `python -m revconsole.training.questions.examination` reads plans as lines of JSON and answers each
with a line.

`revconsole.records.settings.verdict` defines the answer; `readiness` makes the checks.
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
    """Answer questions until the input ends."""
    for line in questions:
        answers.write(verdict.as_line(_problem(line)) + "\n")
        answers.flush()


def _problem(line: str) -> RevconsoleError | None:
    question = json.loads(line)
    try:
        plan, store = Plan.model_validate(question["plan"]), RunStore(Path(question["store"]))
        refuse_unready(plan, store, own_code=question["own_code"])
    except RevconsoleError as error:
        return error
    except Exception as error:  # noqa: BLE001  the other process reports it
        return RevconsoleError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return None


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the answers
    serve(sys.stdin, own)
