"""Journal: the trials of a search in a file that Optuna's own tools open. A copy: it is written anew from the runs."""

import secrets
from pathlib import Path

from revconsole.errors import StoreError
from revconsole.lab.search.searching import SearchStanding
from revconsole.records.search.asking import distributions
from revconsole.records.search.launched import made_folder_of
from revconsole.records.search.optuna_here import optuna_loaded
from revconsole.records.search.replay import replayed

FILE = "optuna.journal"


def keep_journal(now: SearchStanding) -> Path:
    """Write the trials that have ended as a journal storage of Optuna, by one rename; returns its path.

    A rename needs no lock, on a network file system either. Raises NotLoaded, and StoreError if the store cannot be written.
    """
    with optuna_loaded():
        import optuna
        from optuna.storages.journal import JournalFileBackend
    planned = now.planned
    known = replayed(planned.like, planned.epochs, now.trials, distributions(planned.search)).study
    folder = made_folder_of(planned.store, planned.like.search)
    hidden = folder / f".{FILE}-{secrets.token_hex(4)}"
    try:
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(hidden))),
            study_name=planned.study.name,
            direction=known.direction,
        )
        study.add_trials([trial for trial in known.trials if trial.state.is_finished()])
        return hidden.replace(folder / FILE)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        raise StoreError(f"cannot write {folder / FILE}: {error.strerror}") from None
