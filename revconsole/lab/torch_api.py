"""The only access to torch from here: `training` is `revconsole.training.api`, imported when its first name is used.

The import takes seconds, so the first call belongs in a thread; the import contracts name this module alone.
"""

import sys
from typing import TYPE_CHECKING, Any

from revconsole.errors import loading

__all__ = ["training"]

if TYPE_CHECKING:
    from revconsole.training import api as training
else:

    class _Deferred:
        """Stands for the module until it is needed. Raises NotLoaded, with the same reason each time, where it cannot be."""

        def __getattr__(self, name: str) -> Any:
            loaded = "torch" in sys.modules
            with loading():
                from revconsole.training import api
            if not loaded:
                api.begin_profiling()  # in the thread that loaded torch
            return getattr(api, name)

    training = _Deferred()
