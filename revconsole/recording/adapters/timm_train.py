"""timm's train.py, unchanged: `python -m revconsole.recording.adapters.timm_train TRAIN.PY DATA --model … --epochs 10`.

The script logs a row for each epoch by the verbs of another tracker when it is given `--log-wandb`; here they are those of `verbs`.
"""

import runpy
import sys
from collections.abc import Mapping
from typing import Any

from revconsole.recording import verbs

FLAG = "--log-wandb"
TRACKER = "wandb"
USAGE = "usage: python -m revconsole.recording.adapters.timm_train TRAIN.PY ARGUMENTS…"


def main(words: list[str]) -> None:
    """Run the script with these arguments. words: the path of the script first."""
    if not words or words[0].startswith("-"):
        sys.exit(USAGE)
    counted = verbs.log

    def log(data: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
        """A row of an epoch; the script counts them from 0, and with its row one is done."""
        epoch = data.get("epoch")
        counted({**data, "epoch": epoch + 1} if isinstance(epoch, int) else data, step, **options)

    before = sys.argv
    verbs.log = log
    sys.modules[TRACKER] = verbs
    sys.argv = [*words, *([] if FLAG in words else [FLAG])]
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        verbs.log, sys.argv = counted, before
        del sys.modules[TRACKER]
    verbs.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
