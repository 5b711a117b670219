"""Optuna, loaded only where a search is run. It is no dependency but an extra, because most studies are grids."""

from collections.abc import Iterator
from contextlib import contextmanager

from revconsole.errors import NotLoaded

LACKING = "a search needs Optuna, which is not installed; `pip install 'revconsole[search]'`, then the same again"


@contextmanager
def optuna_loaded() -> Iterator[None]:
    """Around the import of Optuna, whose own messages are of no use here. Raises NotLoaded if it is not installed."""
    try:
        import optuna
    except ImportError as error:
        if error.name and error.name != "optuna":
            raise NotLoaded(f"Optuna cannot be loaded: {error}") from error
        raise NotLoaded(LACKING) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
