"""Checks models as TensorFlow Serving would load them.

    python -m export.check DIR

DIR holds models (<name>/<version>/saved_model.pb), or is one of them, or one version.
Every version is loaded and warmed up, every signature is run, and a report is printed.
Exit status 1, with the reasons in one line, if a server could not serve all of it.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from export.command import quiet_tensorflow, run
from export.serving import server_config
from export.serving.models import DEFAULT_SIGNATURE, Model, find
from export.serving.status import ServingError
from export.serving.tf_messages import in_words
from export.signatures import saved_signatures, warmup
from export.signatures.examples import examples
from tfgan_models.errors import FailureError, UsageError

REPEATS = 5
"""Number of calls whose median is the repeated latency."""

_COLUMNS = ("signature", "inputs", "outputs", "first ms", "repeated ms")
_FLOATS = ("bfloat16", "float16", "float64")

_Warmed = tuple[float, dict[str, np.ndarray]]
"""A warm-up request: its duration in ms, and its inputs."""


def main(argv: Sequence[str]) -> None:
    """Checks the given folder."""
    if len(argv) != 2:
        raise UsageError(
            "Give one folder: of models, of a model, or a version. Received: "
            f"{' '.join(argv[1:]) or 'nothing'}"
        )
    quiet_tensorflow()
    problems = check(Path(argv[1]), print)
    if problems:
        raise FailureError("; ".join(problems))


def check(folder: Path, tell: Callable[[str], None]) -> list[str]:
    """Checks all versions of a folder.

    Args:
        folder: Folder of models, of one model, or of one version.
        tell: Receives the report, piece by piece.

    Returns:
        The problems, each with its path.

    Raises:
        UsageError: There is no model.
    """
    found = list(_versions(folder))
    if not found:
        raise UsageError(
            f"{folder} has no <name>/<version>/saved_model.pb. Export a model there "
            "first: python -m export.saved_model"
        )
    problems = []
    for directory in found:
        wrong = _check_version(directory, tell)
        wrong = [f"{directory}: {reason}" for reason in wrong]
        for line in wrong:
            tell(f"  BROKEN {line}")
        problems += wrong
    if (folder / server_config.MODELS_CONFIG).is_file():
        wrong = config_problems(folder)
        for line in wrong:
            tell(f"BROKEN {line}")
        problems += wrong
    total = f"{len(found)} version{'s' * (len(found) > 1)} checked"
    tell(f"{total}: {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    return problems


def config_problems(model_base: Path) -> list[str]:
    """Returns the problems of a models.config."""
    path = model_base / server_config.MODELS_CONFIG
    try:
        policies = server_config.read(model_base)
    except UsageError as error:
        return [str(error)]
    models = {name: found for name, found in sorted(find(model_base).items()) if found}
    problems = [
        f"{path}: there is no model {name}" for name in policies if name not in models
    ]
    for name, versions in models.items():
        if name not in policies:
            problems.append(
                f"{path} does not name {name}, which is therefore not served"
            )
            continue
        served = policies[name].aspired(versions)
        problems += [
            f"{path}: the label {label} of {name} points to version {version}, which "
            f"is {'not loaded' if version in versions else 'missing'}"
            for label, version in sorted(policies[name].labels.items())
            if version not in served
        ]
    return problems


def _versions(folder: Path) -> Iterator[Path]:
    """Yields the versions of a folder, in the order of names and numbers."""
    if (folder / saved_signatures.MODEL_FILE).is_file():
        yield folder
        return
    own = _own_versions(folder)
    yield from own
    for part in sorted(folder.iterdir()) if folder.is_dir() else []:
        if part not in own and not part.name.startswith("."):
            yield from _own_versions(part)


def _own_versions(model: Path) -> list[Path]:
    parts = sorted(model.iterdir()) if model.is_dir() else []
    versions = [part for part in parts if part.is_dir() and _is_version(part)]
    return sorted(versions, key=lambda path: (path.name.zfill(20), path.name))


def _is_version(path: Path) -> bool:
    # A server takes any folder named by a number for a version.
    return path.name.isdigit() or (path / saved_signatures.MODEL_FILE).is_file()


def _check_version(directory: Path, tell: Callable[[str], None]) -> list[str]:
    """Checks one version and reports it; returns the problems."""
    name = directory.absolute().name
    problems = []
    if not (name.isascii() and name.isdigit()):
        problems.append(f"{name!r} is not a version number: a server ignores it")
    try:
        signatures = saved_signatures.read(directory)
        problems += _declared_problems(signatures)
        problems += _compiled(directory)
        start = time.monotonic()
        model = Model(directory)
        seconds = time.monotonic() - start
        server_config.batching_parameters(directory)
        warmed = _warm_up(model)
    except (FailureError, UsageError) as error:
        return [*problems, str(error)]
    except Exception as error:
        # A damaged file makes the loader raise almost anything.
        return [*problems, f"it cannot be loaded: {in_words(error)}"]
    megabytes = sum(f.stat().st_size for f in directory.rglob("*") if f.is_file()) / 1e6
    warm = "" if warmed else "; no warm-up requests"
    tell(f"{directory}: {megabytes:.1f} MB, loaded in {seconds:.1f} s{warm}")
    rows = []
    for signature_name, signature in signatures.items():
        try:
            timed = _run(model, signature_name, warmed.get(signature_name))
        except ServingError as error:
            problems.append(f"{signature_name} fails: {error.message}")
        else:
            rows.append((signature_name, *_described(signature), *timed))
    _tell_table(rows, tell)
    return problems


def _warm_up(model: Model) -> dict[str, _Warmed]:
    """Replays the warm-up requests; returns signature -> its first one."""
    warmed: dict[str, _Warmed] = {}
    for request in warmup.read(model.directory):
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        inputs = warmup.arrays(request)
        start = time.monotonic()
        try:
            model.signature(name).run(inputs)
        except (ServingError, TypeError, ValueError) as error:
            raise FailureError(
                f"the warm-up of {name} fails: {in_words(error)}"
            ) from error
        warmed.setdefault(name, (1000 * (time.monotonic() - start), inputs))
    return warmed


def _run(model: Model, name: str, warmed: _Warmed | None) -> tuple[str, str]:
    """Runs a signature; returns ms of the first call and of a repeated one."""
    signature = model.signature(name)
    times = []
    if warmed is None:
        inputs = examples(signature.inputs, signature.shapes)
    else:
        # For other models, the warm-up request is the best example.
        first, inputs = warmed
        times.append(first)
    while len(times) <= REPEATS:
        start = time.monotonic()
        signature.run(inputs)
        times.append(1000 * (time.monotonic() - start))
    return f"{times[0]:.1f}", f"{statistics.median(times[1:]):.1f}"


def _declared_problems(
    signatures: dict[str, saved_signatures.SavedSignature],
) -> list[str]:
    problems = []
    if "serving_default" not in signatures:
        problems.append(f"no signature serving_default, only {sorted(signatures)}")
    for name, signature in signatures.items():
        for both in sorted(set(signature.inputs) & set(signature.outputs)):
            problems.append(
                f"{name}: {both} is the name of both an input and an output"
            )
        for output, dtype in signature.outputs.items():
            if dtype == "string" and not output.endswith("_bytes"):
                problems.append(
                    f"{name}: the output {output} is a string but not named "
                    f"{output}_bytes: REST would not encode it as base64"
                )
            if dtype in _FLOATS:
                problems.append(f"{name}: the output {output} is {dtype}, not float32")
    return problems


def _compiled(directory: Path) -> list[str]:
    """Functions that would be compiled by XLA, which a server refuses."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    contents = (directory / saved_signatures.MODEL_FILE).read_bytes()
    graph = SavedModel.FromString(contents).meta_graphs[0].graph_def
    compiled = [
        function.signature.name
        for function in graph.library.function
        if function.attr["_XlaMustCompile"].b
    ]
    if not compiled:
        return []
    return [
        f"{len(compiled)} functions, such as {compiled[0]}, must be compiled by XLA "
        "(jit_compile=True), which TensorFlow Serving refuses"
    ]


def _described(signature: saved_signatures.SavedSignature) -> tuple[str, str]:
    return (
        _values(signature.inputs, signature.input_shapes),
        _values(signature.outputs, signature.output_shapes),
    )


def _values(
    dtypes: Mapping[str, str], shapes: Mapping[str, saved_signatures.Shape]
) -> str:
    return ", ".join(
        f"{name} {dtype} {_shape(shapes[name])}" for name, dtype in dtypes.items()
    )


def _shape(shape: saved_signatures.Shape) -> str:
    if shape is None:
        return "of any rank"
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _tell_table(rows: Sequence[tuple[str, ...]], tell: Callable[[str], None]) -> None:
    table = [_COLUMNS, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table if rows else []:
        cells = [
            cell.rjust(width)
            if cell[:1].isdigit() or "ms" in cell
            else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        tell("  " + "  ".join(cells).rstrip())


if __name__ == "__main__":
    run(main, arguments=True)
