"""Exporting: a run's network is written for one target, read back from the files, and compared with the run's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from revconsole.errors import NotExported, RevconsoleError, said
from revconsole.records.findings.exported import Exported, Target
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.exports import program, timm_folder
from revconsole.training.exports.subject import Subject, subject_of
from revconsole.training.exports.timm_call import OTHERWISE

TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest: other libraries sum in another order."""
TAKES_LEVELS = "uint8 images as the dataset has them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a target is written and read. package: that reads it. loading: lines of Python that load it."""

    write: Callable[[Subject, Path], None]
    read: Callable[[Subject, Path], Tensor]
    package: str
    preparation: str
    loading: tuple[str, ...]


WRITINGS: dict[Target, Writing] = {
    "timm": Writing(
        write=timm_folder.write,
        read=timm_folder.by_timm,
        package="timm",
        preparation="the transform of its configuration",
        loading=(
            "import timm",
            'model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()',
            "data = timm.data.resolve_model_data_config(model)",
            "transform = timm.data.create_transform(**data, is_training=False)",
            "logits = model(transform(image).unsqueeze(0))",
        ),
    ),
    "hf": Writing(
        write=timm_folder.write,
        read=timm_folder.by_transformers,
        package="transformers",
        preparation="the image processor of its configuration",
        loading=(
            "from transformers import AutoImageProcessor, AutoModelForImageClassification",
            'model = AutoModelForImageClassification.from_pretrained("FOLDER")',
            'processor = AutoImageProcessor.from_pretrained("FOLDER")',
            "logits = model(**processor(image)).logits",
        ),
    ),
    "torch": Writing(
        write=program.write_torch,
        read=program.by_torch,
        package="torch",
        preparation=TAKES_LEVELS,
        loading=(
            "import torch",
            'model = torch.export.load("FOLDER/model.pt2").module()',
            "logits = model(images)",
        ),
    ),
    "onnx": Writing(
        write=program.write_onnx,
        read=program.by_onnx,
        package="onnxruntime",
        preparation=TAKES_LEVELS,
        loading=(
            "import onnxruntime",
            'session = onnxruntime.InferenceSession("FOLDER/model.onnx")',
            'logits, = session.run(None, {"images": images})',
        ),
    ),
}


def export(
    plan: Plan, checkpoints: CheckpointStore, *, to: Target, folder: Path, data: Path
) -> Exported:
    """Write the best epoch's network into an empty folder.

    data: folder of the datasets. Raises NotExported if the target has no such network or computes something else,
    NotLoaded without its library, and as `subject_of` does.
    """
    writing, subject = WRITINGS[to], subject_of(plan, checkpoints, data=data)
    with _refused(writing.package):
        writing.write(subject, folder)
        logits = writing.read(subject, folder)
    difference = (logits - subject.logits).abs().max().item()
    if not difference <= TOLERANCE * max(1.0, subject.logits.abs().max().item()):
        raise NotExported(
            f"what {writing.package} reads back differs from the run's network by {difference:.1g} in a logit{_why(plan, to)}; "
            "nothing was written"
        )
    levels = writing.preparation == TAKES_LEVELS
    height, width = subject.pixels.shape[-2:] if levels else plan.image_shape
    return Exported(
        to=to,
        of=timm_folder.loader(writing.package),
        step=subject.step,
        channels=subject.pixels.shape[1],
        side=height,
        width=width,
        names=subject.names,
        preparation=writing.preparation,
        loading=writing.loading,
        images=len(subject.pixels),
        difference=difference,
    )


def _why(plan: Plan, to: Target) -> str:
    """What may be the reason of a difference, in a clause; empty if none is known."""
    unsaid = getattr(plan.model, "norm_eps", None) is not None and to in {"timm", "hf"}
    return f" (its configuration cannot say model.norm_eps; {OTHERWISE})" if unsaid else ""


@contextmanager
def _refused(package: str) -> Iterator[None]:
    """A context that turns what another library raises into a sentence."""
    try:
        yield
    except (RevconsoleError, OSError, MemoryError):
        raise
    except Exception as error:  # a network may do anything that an exporter does not know
        raise NotExported(
            f"{package} cannot write its network, or not read it back: {said(error)}"
        ) from error
