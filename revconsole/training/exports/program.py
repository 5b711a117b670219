"""For torch and ONNX runtimes: the network of any scheme as a graph of plain operations, from grey levels to logits.

    config.json    names of the classes, shape of the images
    model.pt2      `torch.export.load(...)`: for torch alone
    model.onnx     for an ONNX runtime

The middle crop is the caller's; standardisation, resizing and the network are in the graph. Shapes: B images of any number,
C channels, S pixels of height and width, K classes.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from revconsole.data import Standardisation, resized
from revconsole.errors import NotLoaded
from revconsole.training.exports.subject import Subject

TORCH_FILE, ONNX_FILE = "model.pt2", "model.onnx"
MISSING = "--to onnx needs onnxscript and onnxruntime: pip install 'revconsole[onnx]'"


class Program(nn.Module):
    """Grey levels uint8 (B, C, S, S) to logits float32 (B, K)."""

    def __init__(
        self, network: nn.Module, standardisation: Standardisation, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.network, self.standardisation, self.size = network, standardisation, size

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images as the dataset has them."""
        logits: Tensor = self.network(resized(self.standardisation(images), self.size))
        return logits.float()


def write_torch(subject: Subject, folder: Path) -> None:
    """Write the program of torch."""
    content = (
        io.BytesIO()
    )  # torch's own writing of a file ends the whole process where the disk is full
    torch.export.save(_traced(subject), content)
    (folder / TORCH_FILE).write_bytes(content.getbuffer())
    _describe(subject, folder)


def by_torch(subject: Subject, folder: Path) -> Tensor:
    """The logits of the program that torch reads from the folder."""
    with torch.inference_mode():
        logits: Tensor = torch.export.load(folder / TORCH_FILE).module()(subject.pixels)
    return logits


def write_onnx(subject: Subject, folder: Path) -> None:
    """Write the ONNX graph. Raises NotLoaded without the extra."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise NotLoaded(MISSING) from None
    traced = _traced(subject)
    with _quietly():
        torch.onnx.export(
            traced, (), str(folder / ONNX_FILE), dynamo=True, verbose=False, external_data=False,
            input_names=["images"], output_names=["logits"],
        )  # fmt: skip
    _describe(subject, folder)


def by_onnx(subject: Subject, folder: Path) -> Tensor:
    """The logits of the graph that ONNX Runtime reads from the folder."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / ONNX_FILE), providers=["CPUExecutionProvider"]
    )
    return torch.from_numpy(session.run(None, {"images": subject.pixels.numpy()})[0])


def _describe(subject: Subject, folder: Path) -> None:
    """Write the names of the classes, in the order of the logits, and the shape of the images."""
    shape = ["batch", *subject.pixels.shape[1:]]
    config = {"label_names": subject.names, "input": {"dtype": "uint8", "shape": shape}}
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def _traced(subject: Subject) -> "torch.export.ExportedProgram":
    standardisation = subject.state.data.test.preparation.standardisation
    program = Program(subject.model, standardisation, subject.plan.image_shape).eval()
    with _quietly(), torch.no_grad():
        batch = torch.export.Dim("batch")
        return torch.export.export(program, (subject.pixels,), dynamic_shapes=({0: batch},))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """A context in which exporters do not print."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
