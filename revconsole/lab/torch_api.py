"""The one way from here to torch: `training` is `revconsole.training.api`, imported with the first name asked of it.

That import takes seconds and loads torch, so the first call belongs in a thread. Everything else in `lab`, and both
front ends, stay torch-free; the import contracts name this module as the single exception.
"""

from typing import TYPE_CHECKING, Any

from revconsole.errors import loading

__all__ = ["training"]

if TYPE_CHECKING:
    from revconsole.training import api as training
else:

    class _Deferred:
        """Stands for the module until it is needed. Raises NotLoaded, with the same reason each time, where it cannot be."""

        def __getattr__(self, name: str) -> Any:
            with loading():
                from revconsole.training import api
            return getattr(api, name)

    training = _Deferred()
