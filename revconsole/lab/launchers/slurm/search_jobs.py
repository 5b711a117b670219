"""Search jobs: the workers of a search as an array of jobs, each of which draws and trains trials until none is left."""

from pathlib import Path

from revconsole.errors import NotSubmitted, StoreError
from revconsole.lab.launchers.slurm import programs
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.script import FILE, search_script
from revconsole.lab.launchers.slurm.submitting import PRIVATE
from revconsole.records.files.shared import create, make_folder
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import FOLDER
from revconsole.records.search.launched import SearchLaunch, folder_of

USUAL_WORKERS = 4
"""Workers where the place does not say how many jobs run at once: each draw knows fewer trials the more there are."""


def workers(place: SlurmPlace, left: int) -> int:
    """How many jobs a search with so many runs left gets."""
    return max(1, min(left, place.at_once or USUAL_WORKERS))


def text(place: SlurmPlace, store: RunStore, launch: SearchLaunch, count: int) -> str:
    """The script for so many workers of a launch."""
    name = Path(launch.path).stem
    return search_script(place, store.root.resolve(), launch.address, name=name, count=count)


def submit(place: SlurmPlace, store: RunStore, launch: SearchLaunch, count: int) -> SearchLaunch:
    """Submit the workers of a launch; returns it with their job. What is refused leaves nothing. Raises NotSubmitted, StoreError."""
    programs.refuse_without_slurm()
    with store.launching():  # which makes the store
        launch.write(store)
    path = folder_of(store, launch.search) / FILE
    try:
        make_folder(store.root / FOLDER, PRIVATE, exist_ok=True)
        path.unlink(missing_ok=True)
        create(path, text(place, store, launch, count).encode())
        job = programs.submit(path)
    except (NotSubmitted, OSError) as error:
        launch.forget(store)
        if isinstance(error, OSError):
            raise StoreError(f"cannot submit from {store.root}: {error.strerror}") from None
        raise
    names = [f"{job}_{number}" for number in range(count)] if count > 1 else [job]
    return launch.noted(store, job=job, tasks=dict.fromkeys(names, "PENDING"))
