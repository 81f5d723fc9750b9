"""Exports a trained model's networks, for TensorFlow Serving and for Keras apps.

    python -m export.saved_model --model_dir=DIR --export_dir=DIR

Writes each network as <export_dir>/<name>_<key>/<version>/saved_model.pb, with
warm-up requests, and as <export_dir>/<name>_<key>.keras; both contain model.json, the
model's description. Earlier versions are kept. The folder is then ready for TensorFlow
Serving: see export.server_files.
"""

import dataclasses
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from export import server_files
from export.command import given, quiet_tensorflow, run
from export.serving.server_config import BATCHING
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

if TYPE_CHECKING:
    import keras

    from tfgan_models.runs.description import Description


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model_dir", None, "Folder of the training run to export. Required."
    )
    flags.DEFINE_string("export_dir", None, "Folder to export to. Required.")
    flags.DEFINE_string(
        "name", None, "Name to export under; default: the last part of --model_dir."
    )
    flags.DEFINE_enum(
        "which",
        "latest",
        ["latest", "best"],
        "Which checkpoint: the latest, or the best by the first of the trainer's "
        "--metrics.",
    )
    for name, what in (
        ("description", "What you say of the model"),
        ("license", "What the model may be used under"),
    ):
        flags.DEFINE_string(
            name, None, f"{what}, in its model.json. Default: as in the run."
        )


def main(argv: Sequence[str]) -> None:
    """Exports what --model_dir holds and says how to serve it."""
    del argv
    model_dir, export_dir = flags.FLAGS.model_dir, flags.FLAGS.export_dir
    if not model_dir or not export_dir:
        raise UsageError("--model_dir and --export_dir are both required.")
    name = flags.FLAGS.name or Path(model_dir).absolute().name
    check_name(name)
    quiet_tensorflow()
    from tfgan_models.runs.checkpoints import load_described

    networks, description = load_described(model_dir, flags.FLAGS.which)
    description = dataclasses.replace(description, **given("description", "license"))
    written = export_networks(networks, Path(export_dir), name, description=description)
    tell(written, Path(export_dir))


def tell(written: Iterable[Path], export_dir: Path) -> None:
    """Prints what an export wrote and how to serve it.

    Args:
        written: What `export_networks` returned.
        export_dir: Where it was written.
    """
    for path in written:
        print(f"Wrote {path} ({_size(path) / 1e6:.1f} MB)")
    print(f"Serve here:   python -m export.serve --model_base={export_dir}")
    compose = export_dir / server_files.COMPOSE
    print(f"Serve in production: docker compose -f {compose} up")


def export_networks(
    networks: Mapping[str, "keras.Model"],
    export_dir: Path,
    name: str,
    version: int | None = None,
    description: "Description | None" = None,
) -> list[Path]:
    """Exports networks: image to image, generators with latents, others.

    Everything is written under a temporary name and renamed when it is complete, so
    that a server polling the folder never loads half a model. The server's
    configuration is written last.

    Args:
        networks: Key (such as "a2b") -> network; an image-to-image one has an attribute
            `size_multiple`, any other that is not a generator is functional.
        export_dir: Created if it does not exist.
        name: Common to all the networks.
        version: 1 or more; None: one more than the newest that any of them has.
        description: What is known of them, by the same keys; None: what their
            attributes tell.

    Returns:
        The paths written: for each network the version's directory, then the .keras
        file.

    Raises:
        UsageError: `name` or `version` cannot be used, or a network is not made of
            layers that Keras alone can rebuild.
        FailureError: The files could not be written.
    """
    check_name(name)
    parents = {key: export_dir / f"{name}_{key}" for key in networks}
    if version is None:
        version = 1 + max(
            (v for p in parents.values() for v in _versions(p)), default=0
        )
    _check_version(version, parents.values())
    from tfgan_models.runs.description import Description, of_network

    description = description or Description(
        {key: of_network(network) for key, network in networks.items()}
    )
    try:
        export_dir.mkdir(parents=True, exist_ok=True)
        # Next to the models, on the same file system, and not named by an integer.
        with tempfile.TemporaryDirectory(
            prefix=files.UNFINISHED, dir=export_dir
        ) as scratch:
            staged = [
                _stage(
                    networks[key],
                    Path(scratch),
                    parent,
                    version,
                    description.only(key),
                )
                for key, parent in parents.items()
            ]
            moved = [_move(*pair) for pairs in staged for pair in pairs]
        server_files.write(export_dir)
        return moved
    except OSError as error:
        raise FailureError(f"Could not write to {export_dir}: {error}") from error


def _stage(
    network: "keras.Model",
    scratch: Path,
    parent: Path,
    version: int,
    description: "Description",
) -> list[tuple[Path, Path]]:
    """Writes one network into `scratch`; returns (written, final place)."""
    import tensorflow as tf

    from export.keras_file.plain_keras import functional, to_plain_keras
    from export.signatures import warmup
    from export.signatures.writing import write_saved_model
    from tfgan_models.runs.description import into_keras_file

    saved_model, keras_file = scratch / parent.name, scratch / f"{parent.name}.keras"
    to_plain_keras(functional(network)).save(keras_file)
    into_keras_file(keras_file, description)
    try:
        side = write_saved_model(network, saved_model, description)
        warmup.write(saved_model, parent.name, side)
        batching = server_files.batching(saved_model)
        if batching is not None:
            files.write_text(saved_model / BATCHING, batching)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    return [
        (saved_model, parent / str(version)),
        (keras_file, parent.with_name(keras_file.name)),
    ]


def _move(written: Path, place: Path) -> Path:
    place.parent.mkdir(exist_ok=True)
    os.replace(written, place)
    return place


def check_name(name: str) -> None:
    """Refuses a name that a served model cannot have.

    Raises:
        UsageError: It has characters other than letters, digits, '_', '-' and '.'.
    """
    # What can be one unquoted part of both a URL and a path.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UsageError(
            f"name={name!r} cannot name a served model. Use letters, digits, '_', "
            "'-' and '.', for example --name=photo2monet."
        )


def _check_version(version: int, parents: Iterable[Path]) -> None:
    if version < 1:
        raise UsageError(f"version must be 1 or more. Received: version={version}")
    for parent in parents:
        if version in _versions(parent):
            raise UsageError(
                f"{parent / str(version)} exists. Give another version or none: "
                f"the next one is {max(_versions(parent)) + 1}."
            )


def _versions(parent: Path) -> list[int]:
    if not parent.is_dir():
        return []
    return [int(p.name) for p in parent.iterdir() if re.fullmatch("[0-9]+", p.name)]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    define_flags()
    run(main)
