"""Compiled branches of exact schemes: the second evaluation runs the code that was compiled for the first, or it raises.

A compiler makes code for the conditions it meets: sizes, modes, hooks. Where it would make other code for the second
evaluation, or has made so much that it lets the function run as it is written, last bits may be others than in the
first, and on a grid one of them is enough for wrong gradients in every block before.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch

from revconsole.errors import RevconsoleError

Result = TypeVar("Result")
ANEW = "torch.compile stance is 'fail_on_recompile'"
"""How torch says that it would compile."""


def as_compiled_before(index: int) -> AbstractContextManager[None]:
    """Inside, nothing is compiled anew. Raises RevconsoleError, naming the block of that index, where something would be.

    Where this process has compiled nothing, or somebody has said what the compiler is to do, it does nothing.
    """
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    unused = compiler is None or not compiler.cached_backends
    if unused or compiler._stance.stance != "default":  # type: ignore[union-attr]  # noqa: SLF001  it is said nowhere else
        return nullcontext()
    return _as_compiled_before(index)


def as_written(compute: Callable[..., Result]) -> Callable[..., Result]:
    """The function past a compiler that traces the model."""
    compiler = sys.modules.get("torch._dynamo")
    past: Callable[..., Result] = compute if compiler is None else compiler.disable(compute)
    return past


@contextmanager
def _as_compiled_before(index: int) -> Iterator[None]:
    try:
        with torch.compiler.set_stance("fail_on_recompile"):
            yield
    except RuntimeError as error:
        if ANEW not in str(error):
            raise
        raise RevconsoleError(
            f"block {index} would be compiled anew for its second evaluation, whose last bits then need not be those of the "
            "first, and an exact scheme needs them to be: compile its parts without hooks or counters that change between "
            "calls, or leave the grid (grid_bits=None); torch names the reason above"
        ) from error
