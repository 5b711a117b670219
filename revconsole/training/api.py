"""The functions of this package that the lab calls, each in its own thread. Importing this module loads torch."""

import contextlib
import fnmatch
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import timm
import torch

from revconsole.errors import RevconsoleError, RunFailed, StoreError, said
from revconsole.records.datasets.facts import data_folder
from revconsole.records.findings.exported import Exported, Target
from revconsole.records.findings.inspection import Inspection
from revconsole.records.findings.mistakes import Mistakes
from revconsole.records.findings.predictions import Predictions
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.logs.events import Advised, Event, Failed, Logged, Scalar, Started
from revconsole.records.notices.ends import tell_of_end
from revconsole.records.runs.attempt import PLAN, Attempt, Outcome
from revconsole.records.runs.control import Control
from revconsole.records.runs.foretelling import Foretelling
from revconsole.records.runs.header import Header, read_header, write_header
from revconsole.records.runs.store import RunStore
from revconsole.records.search.early import early_stop
from revconsole.records.settings.plan import Plan
from revconsole.training.bench.measure import measure
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.checks.step_cost import products_of_step
from revconsole.training.exports.exporting import export
from revconsole.training.foresee.checking import checked as check_foresight
from revconsole.training.foresee.checking import combinations as foresight_combinations
from revconsole.training.foresee.choosing import chosen
from revconsole.training.foresee.foresee import foresee
from revconsole.training.learning.preparing import learning_of
from revconsole.training.machine import devices
from revconsole.training.machine.allocated import begin_profiling
from revconsole.training.machine.broken import WAITING, breaks
from revconsole.training.machine.shortage import empty_caches
from revconsole.training.questions import attention_picture, inspection, pace
from revconsole.training.questions.mistakes import mistakes as mistakes_of
from revconsole.training.questions.modules import modules_of
from revconsole.training.questions.predictions import images_of, opened, predictions
from revconsole.training.questions.readiness import refuse_unready
from revconsole.training.questions.samples import samples
from revconsole.training.questions.survey import scheme_groups, survey_models
from revconsole.training.questions.throughput import throughput, training_pace
from revconsole.training.questions.verify import Shape, verify, verify_own
from revconsole.training.questions.weights import described as weights_described
from revconsole.training.requests import NotOurs
from revconsole.training.together.alone import ALONE, Together
from revconsole.training.together.notes import RankNotes
from revconsole.training.together.ranks import join, leave
from revconsole.training.together.watch import RankWatch
from revconsole.training.trainer import train

__all__ = [
    "audited", "begin_profiling", "check_foresight", "chosen", "cost", "execute", "exported", "foresee", "foresight_combinations", "inspect", "kept_pace", "measure", "mistakes", "modules_of", "predicted", "products_of_step", "refuse_unready",
    "samples", "scheme_groups", "survey_models", "take_part", "throughput", "timm_models", "timm_version", "training_pace", "weights_described",
]  # fmt: skip


def execute(
    store: RunStore, run_id: str, attempt: Attempt, watch: RankWatch | None = None
) -> Outcome:
    """Train a claimed run to its end in the calling thread, and close the attempt.

    watch: knows what ended the other ranks, if there are any; this process is the first one.
    Never raises: the run's log is the report, a traceback is in the attempt's crash.txt, and `attempt.problem` holds what
    the disk did not accept. "gone" means that the run was deleted or taken over meanwhile; "broken" means that this process
    can no longer use its GPU. Memory is released before the attempt is closed, for the next run.
    """
    try:
        return _train(store, run_id, attempt, ranked=watch is not None)
    except NotOurs:
        return "gone"
    except RevconsoleError as error:
        return _failed(attempt, str(error))
    except (MemoryError, torch.OutOfMemoryError) as error:
        reason = " ".join(str(error).split()) or "the system gave no more memory"
        return _failed(attempt, Failed(reason=reason, cause="memory"))
    except (Exception, SystemExit) as error:  # noqa: BLE001  the run must not look as if it were still training
        if watch is not None and (cause := watch.cause()) is not None:
            return _failed(attempt, cause.failure(), cause.report)
        reason, broken = " ".join(str(error).split())[:200], breaks(error)
        why = f"{type(error).__name__}: {reason}; the traceback is in crash.txt"
        _failed(attempt, f"{why}; {WAITING}" if broken else why, traceback.format_exc())
        return "broken" if broken else "failed"
    finally:
        leave()
        empty_caches()
        attempt.close()
        tell_of_end(store, run_id)


def take_part(store: RunStore, run_id: str, watch: RankWatch, notes: RankNotes) -> Outcome:
    """Train a run to its end as a rank that does not write it. Never raises: the first rank learns why it ended."""
    try:
        plan, folder = store.plan(run_id), store.folder(run_id)
        return train(
            plan, _printed, Control(folder), checkpoints=CheckpointStore(folder), data=data_folder(),
            store=store, together=_joined(plan),
        )  # fmt: skip
    except NotOurs:
        return "gone"
    except Exception as error:  # noqa: BLE001  as in `execute`
        if not isinstance(error, RevconsoleError) and watch.cause() is not None:
            return "failed"
        memory = isinstance(error, MemoryError)
        ours = memory or isinstance(error, RevconsoleError)
        if not ours or not watch.first_left():
            notes.end(said(error), "" if ours else traceback.format_exc(), memory=memory)
        return "failed"
    finally:
        leave()


def _printed(event: Event) -> None:
    """Print what is said of a run into the output of a rank that does not write it."""
    match event:
        case Logged(text=text) | Advised(text=text):
            print(text)  # noqa: T201  the output is a file of the run
        case _:
            pass


def _joined(plan: Plan) -> Together:
    """The ranks of a run. Raises RunFailed if torchrun has started another number."""
    together, wanted = join(devices.of_rank(plan.train.device)), plan.train.ranks
    if together.world != wanted:
        raise RunFailed(
            f"torchrun has started {together.world} ranks, and train.gpus of this run is {wanted}; start {wanted}, or "
            f"resume with train.gpus={together.world}"
        )
    return together


def cost(plan: Plan) -> Mapping[str, Scalar]:
    """`parameters`, `trainable_parameters` and `multiply_adds_per_image`, None if unknown, and `multiply_adds_note`.

    Raises as `build_model` does.
    """
    return learning_of(plan).cost(plan)


def kept_pace(plan: Plan) -> KeptPace:
    """How long an epoch and the end of a run would take, measured once on a few steps and kept for the runs.

    Raises RunFailed if memory runs out.
    """
    try:
        return pace.kept(plan, data=data_folder())
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise RunFailed(f"{plan.name} needs more memory than there is") from error


def timm_models(pattern: str) -> list[str]:
    """Names of timm's architectures that match a shell pattern such as `vit_*`; all for an empty pattern."""
    return [name for name in timm.list_models() if fnmatch.fnmatch(name, pattern or "*")]


def timm_version() -> str:
    """The version of the timm library."""
    return str(timm.__version__)


def audited(
    plan: Plan, *, own: str, shape: Mapping[str, int] | None, light: bool
) -> Iterator[dict[str, str | bool | None]]:
    """Audit the planned model, or the user's model `own` on the plan's data; yields each check when it is done.

    shape: of random images to use instead of data. Raises as `verify` and `verify_own` do.
    """
    data, pixels = data_folder(), Shape(**shape) if shape else None
    results = (
        verify_own(own, plan, data=data, shape=pixels, light=light)
        if own
        else verify(plan, data=data, light=light)
    )
    for check in results:
        yield {
            "check": check.name,
            "result": check.level,
            "passed": check.passed,
            "figure": check.figure,
            "advice": check.advice,
        }


def inspect(store: RunStore, run_id: str, *, images: int) -> Inspection:
    """Position encodings and attention of a run's kept weights on some test images.

    Raises RevconsoleError if no checkpoint is left, or if the data is unreachable or has changed.
    """
    checkpoints = CheckpointStore(store.folder(run_id))
    return inspection.inspect(store.plan(run_id), checkpoints, data=data_folder(), images=images)


def exported(store: RunStore, run_id: str, *, to: Target, folder: Path) -> Exported:
    """Write the network of a run's best epoch for others into an empty folder. Raises as `export` does."""
    plan, checkpoints = store.plan(run_id), CheckpointStore(store.folder(run_id))
    return export(plan, checkpoints, to=to, folder=folder, data=data_folder())


def mistakes(store: RunStore, run_id: str, *, side: int) -> Mistakes:
    """Pictures of the test images that a run's best network mistakes, `side` pixels wide. Raises as `mistakes_of` does."""
    checkpoints = CheckpointStore(store.folder(run_id))
    return mistakes_of(store.plan(run_id), checkpoints, data=data_folder(), side=side)


def predicted(
    store: RunStore,
    run_id: str,
    source: str,
    *,
    say: Callable[[str], None],
    attention: Path | None = None,
) -> Predictions:
    """What a run's best network says of images. attention: a file for a picture of what it looks at. Raises as `images_of` does."""
    checkpoints, data = CheckpointStore(store.folder(run_id)), data_folder()
    reopened = opened(store.plan(run_id), checkpoints, data=data)
    pictured = images_of(reopened, source, data=data, say=say)
    found = predictions(reopened, pictured)
    if attention is not None:
        attention_picture.draw(reopened, pictured, attention)
    return found


def _train(store: RunStore, run_id: str, attempt: Attempt, *, ranked: bool) -> Outcome:
    plan, folder = store.plan(run_id), store.folder(run_id)
    original = read_header(folder, with_changes=False)
    control = Control(folder, attempt)
    _forget_stale(control, attempt)
    foretelling = Foretelling(plan, store.list)

    def emit(event: Event) -> None:
        if isinstance(event, Started) and plan.data_fingerprint is None:
            with contextlib.suppress(OSError, StoreError):  # on a full disk only the log has it
                store.keep_fingerprint(run_id, str(event.facts["fingerprint"]))
        attempt.emit(foretelling.completed(event))

    try:
        return train(
            plan, emit, control, checkpoints=CheckpointStore(folder), data=data_folder(),
            store=store, early=early_stop(store, run_id, plan),
            together=_joined(plan) if ranked else ALONE,
        )  # fmt: skip
    finally:
        _put_plan_back(folder, original)


def _put_plan_back(folder: Path, original: Header) -> None:
    """Recreate plan.json if it was deleted during the run while the run's attempts remain."""
    with contextlib.suppress(OSError):
        lost = (folder / "attempts").is_dir() and not (folder / PLAN).exists()
        if lost and original.plan is not None:
            write_header(folder, original.id, original.created, original.plan)


def _forget_stale(control: Control, attempt: Attempt) -> None:
    """Drop requests made to an earlier attempt that ended without answering them."""
    claimed = (attempt.folder / "claim.json").stat().st_mtime_ns
    for request in control.pending():
        with contextlib.suppress(FileNotFoundError):  # an in-memory request has no file
            if request.path.stat().st_mtime_ns < claimed:
                control.answered(request)


def _failed(attempt: Attempt, why: str | Failed, report: str = "") -> Outcome:
    """Record the failure of the run, if the disk accepts it."""
    attempt.fail(Failed(reason=why) if isinstance(why, str) else why, report)
    return "failed"
