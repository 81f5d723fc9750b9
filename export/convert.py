"""Converts an exported model to another runtime's format, and compares both.

    python -m export.convert --model=models/mine_a2b/1 --format=onnx --output=mine.onnx

If the outputs of the converted model and of the SavedModel, for real images or latents,
differ by more than a bound, nothing is written.
"""

import dataclasses
import importlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from export.command import quiet_tensorflow, run
from tfgan_models import extras
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

if TYPE_CHECKING:
    import tensorflow as tf

    from export.formats.graph import Graph
    from export.formats.samples import Arrays, Runner

FORMATS = {"onnx": "ONNX", "openvino": "OpenVINO", "litert": "LiteRT"}
"""Format -> its official spelling."""
PACKAGES = {
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
}
"""Format -> the packages that write and run it."""
BOUND = 1e-3
"""Largest difference allowed, for outputs up to 1: an eighth of one of 256 levels."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How a converted model's outputs differ from the SavedModel's.

    Args:
        difference: The largest.
        bound: The largest allowed.
        requests: Number of requests compared.
    """

    difference: float
    bound: float
    requests: int


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model", None, "Folder of a version, such as models/mine_a2b/1. Required."
    )
    flags.DEFINE_enum("format", None, list(FORMATS), "Format to write. Required.")
    flags.DEFINE_string("output", None, "File to write. Required.")
    flags.DEFINE_string("signature", "serving_default", "Signature to convert.")
    flags.DEFINE_integer(
        "image_size",
        None,
        "Height and width of images, for litert; the others take any size unless it is "
        "set.",
        1,
    )
    flags.DEFINE_string(
        "images", None, "Folder of images for the comparison. Default: bundled ones."
    )


def main(argv: Sequence[str]) -> None:
    """Converts, compares and prints the largest difference."""
    del argv
    options = flags.FLAGS
    if not options.model or not options.format or not options.output:
        raise UsageError("--model, --format and --output are all required.")
    _require(options.format)
    quiet_tensorflow()
    compared = convert(
        Path(options.model),
        options.format,
        Path(options.output),
        options.signature,
        options.image_size,
        Path(options.images) if options.images else None,
    )
    print(f"Wrote {options.output}")
    beside = described_by(Path(options.output))
    if beside.is_file():
        print(f"Wrote {beside}")
    else:
        print(f"{options.model} has no model.json: none was written.")
    print(
        f"Largest difference from {options.model} in {compared.requests} requests: "
        f"{compared.difference:.2g} (allowed: {compared.bound:.2g})"
    )


def convert(
    model: Path,
    format: str,
    output: Path,
    signature: str = "serving_default",
    image_size: int | None = None,
    images: Path | None = None,
) -> Comparison:
    """Converts a signature of a SavedModel, and compares the result with it.

    Args:
        model: Folder of the SavedModel.
        format: One of `FORMATS`.
        output: File to write, replaced if it exists; OpenVINO's weights go next to it,
            and the SavedModel's description, if it has one.
        signature: Its name.
        image_size: Height and width of images; None: any.
        images: Folder of images for the comparison; None: bundled ones.

    Raises:
        UsageError: The format does not support the signature, or an argument does
            not exist.
        FailureError: Converting failed, or the outputs differ by more than `BOUND`.
            Nothing is written then.
    """
    module = _format(format)
    _check_output(output, module.SUFFIX)
    from export.formats import graph, refusals, samples
    from tfgan_models.runs import description

    said = description.of_saved_model(model)
    found = graph.read(model, signature, image_size, 1 if module.FIXED else None)
    refusals.check(FORMATS[format], model, signature, found)
    _check_sizes(format, found)
    loaded, function = graph.load(model, signature)
    requests = samples.requests(found.inputs, loaded, images)
    try:
        # Next to its final place, on the same file system.
        with tempfile.TemporaryDirectory(
            prefix=files.UNFINISHED, dir=output.parent
        ) as scratch:
            written = Path(scratch) / output.name
            runner = _written(FORMATS[format], module, found, written)
            compared = _compare(function, runner, requests)
            del runner  # The file is closed before it is moved.
            described_by(output).unlink(missing_ok=True)  # of an earlier file
            if said is not None:
                kept = {signature: said.signatures[signature]}
                said = dataclasses.replace(said, signatures=kept)
                said.write(described_by(written))
            # The file that names the others comes last.
            for path in sorted(Path(scratch).iterdir(), key=lambda p: p == written):
                os.replace(path, output.with_name(path.name))
            return compared
    except OSError as error:
        raise FailureError(f"Could not write {output}: {error}") from error


def described_by(output: Path) -> Path:
    """Returns where a converted file's model.json is: mine.model.json of mine.onnx."""
    return output.with_name(f"{output.stem}.model.json")


def load(format: str, path: Path) -> "Runner":
    """Returns a function that runs a file of a format: inputs by name to outputs."""
    return _format(format).load(path)


def _format(name: str) -> ModuleType:
    _require(name)
    return importlib.import_module(f"export.formats.{name}")


def _require(name: str) -> None:
    extras.require(f"--format={name}", "convert", *PACKAGES[name])


def _check_output(output: Path, suffix: str) -> None:
    if output.suffix != suffix:
        raise UsageError(
            f"--output={output} must end in {suffix}, for example {output.stem}{suffix}"
        )
    if not output.parent.is_dir():
        raise UsageError(f"--output={output}: {output.parent} does not exist")
    if output.is_dir():
        raise UsageError(f"--output={output} is a folder. Give a file's name.")


def _check_sizes(format: str, found: "Graph") -> None:
    open_ended = [n for n, spec in found.inputs.items() if None in spec.shape[1:]]
    if format == "litert" and open_ended:
        raise UsageError(
            f"LiteRT needs a fixed image size: {', '.join(open_ended)} may "
            "have any. Give one, for example --image_size=256."
        )


def _written(name: str, module: ModuleType, found: "Graph", path: Path) -> "Runner":
    """Writes a signature; returns a function that runs the result."""
    try:
        with _quiet():
            module.write(found, path)
            return module.load(path)
    except OSError:
        raise
    except Exception as error:
        # Each converter has its own kinds of errors.
        raise FailureError(
            f"The converter to {name} failed, nothing was written: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """An error's message in one line: other programs' can have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops what converters log, in Python and below: failures are exceptions."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with tempfile.TemporaryFile() as dropped:
            for descriptor in (1, 2):
                os.dup2(dropped.fileno(), descriptor)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                yield
    finally:
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        logging.disable(level)


def _compare(
    function: "tf.types.experimental.ConcreteFunction",
    runner: "Runner",
    requests: Sequence["Arrays"],
) -> Comparison:
    def saved_model(inputs: "Arrays") -> "Arrays":
        return {name: value.numpy() for name, value in function(**inputs).items()}

    differences, largest = [], 1.0
    for request in requests:
        expected = _asked("SavedModel", saved_model, request)
        answer = _asked("converted model", runner, request)
        differences.append(_difference(expected, answer))
        largest = max(largest, *(np.abs(v).max() for v in expected.values()))
    # NumPy's maximum of NaN is NaN, which is refused.
    difference = float(np.max(differences))
    compared = Comparison(difference, BOUND * float(largest), len(requests))
    if not compared.difference <= compared.bound:
        raise FailureError(
            f"The converted model's outputs differ from the SavedModel's by up to "
            f"{compared.difference:.2g}; {compared.bound:.2g} is allowed. Nothing was "
            "written."
        )
    return compared


def _asked(what: str, runner: "Runner", request: "Arrays") -> "Arrays":
    try:
        return runner(request)
    except Exception as error:
        # Each runtime has its own kinds of errors.
        raise FailureError(
            f"The {what} fails on a request of the comparison, nothing was written: "
            f"{_reason(error)}"
        ) from error


def _difference(expected: "Arrays", answer: "Arrays") -> float:
    """The largest difference between two outputs; infinite if their types differ."""
    differences = []
    for name, value in expected.items():
        if name not in answer or answer[name].shape != value.shape:
            return float("inf")
        # As floats: uint8 levels would wrap around below 0.
        difference = np.subtract(answer[name], value, dtype=np.float64)
        differences.append(np.abs(difference).max())
    return float(np.max(differences))


if __name__ == "__main__":
    define_flags()
    run(main)
