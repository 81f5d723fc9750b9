"""Writes the files that TensorFlow Serving needs next to a folder's models.

    python -m export.server_files --model_base=models [--canary=mine_a2b:3]
    docker compose -f models/docker-compose.yml up

    models/models.config                         which versions, and their labels
    models/monitoring.config                     Prometheus metrics, on the REST port
    models/docker-compose.yml                    starts the server on this folder
    models/<name>/<version>/batching_params.pbtxt  if requests can be batched

Every export does the same. A running server rereads models.config.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import flags

from export.command import quiet_tensorflow, run
from export.serving.models import find
from export.serving.server_config import BATCHING, MODELS_CONFIG
from export.signatures import saved_signatures
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

MONITORING_CONFIG = "monitoring.config"
COMPOSE = "docker-compose.yml"

PIXELS = 2**22
"""Total size of a batch's images: 64 of 256 px, 4 of 1024 px."""
LARGEST_BATCH = 64

_CONFIG = """\
# Written by `python -m export.server_files`, and rewritten by every export: your own
# settings belong in a file with another name.
#
# Both labels point to the newest version; --canary=NAME:VERSION gives that version the
# label canary, and stable to the newest of the others.
#
# The newest versions are loaded, one more than the labels need. Then the server finds
# an export by itself, and the version before it stays loaded until the labels in this
# file, which is read a few seconds later, have moved. (With a policy `specific` nothing
# would move: the server refuses a label for a version that it has not loaded yet, and
# with it the whole file, the version to load included.)
"""
_MONITORING = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""
_COMPOSE = """\
# TensorFlow Serving on the models of this folder.
#
#     docker compose -f docker-compose.yml up --wait
#
# REST at http://localhost:8501/v1/models/NAME:predict, gRPC at localhost:8500, metrics
# at http://localhost:8501/monitoring/prometheus/metrics. The server has no
# authentication: SERVING_ADDRESS=0.0.0.0 opens it to every machine that can reach this
# one.
services:
  serving:
    # A fixed release, so that an upgrade is a decision; the newest one known
    # when this was written. TensorFlow {tensorflow} wrote it: if there is an image
    # of that release use it: older ones may be unable to read newer models.
    image: tensorflow/serving:${{SERVING_TAG:-2.20.0}}
    restart: unless-stopped
    ports:
      - "${{SERVING_ADDRESS:-127.0.0.1}}:8500:8500"
      - "${{SERVING_ADDRESS:-127.0.0.1}}:8501:8501"
    volumes:
      # The folder, not its files: those are replaced, not rewritten.
      - .:/models:ro
    command:
      - --model_config_file=/models/{models}
      - --model_config_file_poll_wait_seconds=5
      # Labels are read before anything is loaded.
      - --allow_version_labels_for_unavailable_models=true
      - --monitoring_config_file=/models/{monitoring}
      # A model is batched if, and only if, it has a {batching}.
      - --enable_batching=true
      - --enable_per_model_batching_parameters=true
    healthcheck:
      # The image has neither curl nor wget. Healthy: every model is available.
      test:
        - CMD
        - bash
        - -c
        - |
{healthcheck}
      interval: 10s
      timeout: 5s
      start_period: 120s
"""
_HEALTHCHECK = """\
for name in $(sed -n 's/^ *name: "\\(.*\\)"/\\1/p' /models/models.config); do
  exec 3<>/dev/tcp/127.0.0.1/8501 || exit 1
  printf 'GET /v1/models/%s HTTP/1.0\\r\\n\\r\\n' "$name" >&3
  grep -q '"AVAILABLE"' <&3 || exit 1
done
"""
"""Run by the container's bash; 8501 is the port inside it."""


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model_base", None, "Folder of <name>/<version>/saved_model.pb. Required."
    )
    flags.DEFINE_string(
        "canary",
        None,
        "NAME:VERSION: the version, one of the model's two newest, that gets the label "
        "canary; stable is then the newest of the others.",
    )


def main(argv: Sequence[str]) -> None:
    """Writes the files and names them."""
    del argv
    if not flags.FLAGS.model_base:
        raise UsageError(
            "--model_base is required: the folder of <name>/<version>/saved_model.pb"
        )
    canary = parse_canary(flags.FLAGS.canary) if flags.FLAGS.canary else None
    quiet_tensorflow()
    for path in write(Path(flags.FLAGS.model_base), canary):
        print(f"Wrote {path}")


def parse_canary(text: str) -> tuple[str, int]:
    """Returns the model's name and the version of NAME:VERSION."""
    name, _, version = text.rpartition(":")
    if not name or not (version.isascii() and version.isdigit()):
        raise UsageError(
            f"--canary={text} is not NAME:VERSION, for example mine_a2b:3."
        )
    return name, int(version)


def write(model_base: Path, canary: tuple[str, int] | None = None) -> list[Path]:
    """Writes every file under a temporary name and renames it when it is complete.

    Args:
        model_base: Holds `<name>/<version>/saved_model.pb`.
        canary: Name and version of the model whose canary is not its newest version.

    Returns:
        The files written. A `batching_params.pbtxt` that exists is left as it is.

    Raises:
        UsageError: There is no model, or no such canary.
        FailureError: A file could not be written.
    """
    models = models_of(model_base)
    labels = {name: _labels(name, list(models[name]), canary) for name in models}
    if canary and canary[0] not in models:
        raise UsageError(
            f"There is no model {canary[0]!r} in {model_base}. There are: "
            f"{', '.join(models)}"
        )
    texts: dict[Path, str | None] = {
        directory / BATCHING: _batching_if_readable(directory)
        for versions in models.values()
        for directory in versions.values()
        if not (directory / BATCHING).exists()
    }
    texts |= {
        model_base / MONITORING_CONFIG: _MONITORING,
        model_base / COMPOSE: _compose(),
        # Last: a server that reads it finds the others in place.
        model_base / MODELS_CONFIG: _config(models, labels),
    }
    written = {path: text for path, text in texts.items() if text}
    try:
        for path, text in written.items():
            files.write_text(path, text)
    except OSError as error:
        raise FailureError(f"Could not write to {model_base}: {error}") from error
    return list(written)


def models_of(model_base: Path) -> dict[str, dict[int, Path]]:
    """Returns model name -> version -> SavedModel, by name and newest first.

    Raises:
        UsageError: There is none.
    """
    found = find(model_base) if model_base.is_dir() else {}
    models = {
        name: dict(sorted(versions.items(), reverse=True))
        for name, versions in sorted(found.items())
        if versions
    }
    if not models:
        raise UsageError(
            f"{model_base} has no <name>/<version>/saved_model.pb. Export a model "
            "there first: python -m export.saved_model"
        )
    return models


def _batching_if_readable(directory: Path) -> str | None:
    try:
        return batching(directory)
    except FailureError:
        # export.check reports a damaged old version; others are still served.
        return None


def batching(directory: Path) -> str | None:
    """Returns batching parameters for a SavedModel's signatures.

    None if an input of some signature has a size that may differ between requests, such
    as images of any height and width, or if an output does not have one entry per
    sample: the server would refuse to batch those. Without the file it runs every
    request by itself.
    """
    signatures = saved_signatures.read(directory).values()
    shapes = [s for signature in signatures for s in signature.input_shapes.values()]
    made = [s for signature in signatures for s in signature.output_shapes.values()]
    if not shapes or not all(_can_be_merged(shape) for shape in shapes):
        return None
    if not all(shape and shape[0] is None for shape in made):
        return None
    pixels = max(map(_pixels, [*shapes, *made]))
    largest = 1
    while 2 * largest <= min(PIXELS // pixels, LARGEST_BATCH):
        largest *= 2
    sizes = [2**i for i in range(largest.bit_length())]
    return (
        "# A batch is padded to one of the sizes below, so that a GPU meets few\n"
        "# shapes. A request of more samples than the largest is refused.\n"
        f"max_batch_size {{ value: {largest} }}\n"
        "batch_timeout_micros { value: 2000 }\n"
        "max_enqueued_batches { value: 100 }\n"
        + "".join(f"allowed_batch_sizes: {size}\n" for size in sizes)
    )


def _can_be_merged(shape: saved_signatures.Shape) -> bool:
    return shape is not None and shape[:1] == (None,) and None not in shape[1:]


def _pixels(shape: saved_signatures.Shape) -> int:
    """Of an image [N, H, W, C] of a known size; 1 of what is none."""
    match shape:
        case (_, int(height), int(width), int()):
            return height * width
    return 1


def _labels(
    name: str, versions: list[int], canary: tuple[str, int] | None
) -> dict[str, int]:
    """Returns label -> version; `versions` has the newest first."""
    if canary is None or canary[0] != name:
        return {"canary": versions[0], "stable": versions[0]}
    version = canary[1]
    if len(versions) < 2 or version not in versions[:2]:
        raise UsageError(
            f"Version {version} of {name} cannot be its canary: it must be one of the "
            "two newest versions, which the server has loaded. There are: "
            f"{', '.join(map(str, versions))}"
        )
    return {"canary": version, "stable": next(v for v in versions if v != version)}


def _config(
    models: Mapping[str, Mapping[int, Path]], labels: Mapping[str, Mapping[str, int]]
) -> str:
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    config = ModelServerConfig()
    for name, versions in models.items():
        model = config.model_config_list.config.add(
            name=name, base_path=f"/models/{name}", model_platform="tensorflow"
        )
        needed = 1 + list(versions).index(min(labels[name].values()))
        model.model_version_policy.latest.num_versions = needed + 1
        model.version_labels.update(labels[name])
    return _CONFIG + text_format.MessageToString(config)


def _compose() -> str:
    import tensorflow as tf

    # A dollar sign would start one of compose's own variables.
    lines = _HEALTHCHECK.replace("$", "$$").splitlines()
    return _COMPOSE.format(
        tensorflow=tf.__version__,
        models=MODELS_CONFIG,
        monitoring=MONITORING_CONFIG,
        batching=BATCHING,
        healthcheck="\n".join(f"          {line}" for line in lines),
    )


if __name__ == "__main__":
    define_flags()
    run(main)
