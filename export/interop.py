"""The command `python -m tfgan_models.interop`: reads files, and exports."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from export.command import given, quiet_tensorflow, run
from tfgan_models.errors import UsageError
from tfgan_models.interop.sources import FOLDERS, SOURCES

if TYPE_CHECKING:
    import keras


def _to_junyanz(network: "keras.Model", path: Path) -> None:
    from tfgan_models.interop import junyanz

    junyanz.save(network, path)


TARGETS: dict[str, Callable[["keras.Model", Path], None]] = {"junyanz": _to_junyanz}
"""The writer of files for another project, by the value of --to."""

OPTIONS = {"inference_norm": "--from=junyanz", "resolution": "--from=rosinality"}
"""Flags of a single source, which its reader takes by the same name."""

_NORMS = ("averages", "image")


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_enum(
        "from", None, list(SOURCES), "The project that --weights comes from."
    )
    flags.DEFINE_enum(
        "to",
        None,
        list(TARGETS),
        "Instead: the project to convert one of our networks for.",
    )
    flags.DEFINE_string(
        "weights",
        None,
        "The file to read; --from=addons: also a SavedModel's folder; --to: one of our "
        ".keras files, or the folder of a training run. Required.",
    )
    flags.DEFINE_string(
        "output",
        None,
        "--from: folder to export to; --to: the .safetensors file to write. Required.",
    )
    flags.DEFINE_string(
        "name", None, "--from: name to export under; default: that of --weights."
    )
    flags.DEFINE_integer(
        "resolution",
        None,
        "--from=rosinality: image size in pixels, if the file does not "
        "show how far it was trained.",
    )
    flags.DEFINE_enum(
        "inference_norm",
        None,
        _NORMS,
        "--from=junyanz: statistics of a generator's batch normalisation: the running "
        "averages (default), or each image's own mean and variance, as their test.py "
        "without --eval.",
    )
    flags.DEFINE_string(
        "network", None, "--to: which network of a training run, for example a2b."
    )


def main(argv: Sequence[str]) -> None:
    """Converts --weights in either direction."""
    del argv
    check_flags()
    weights, output = Path(flags.FLAGS.weights), Path(flags.FLAGS.output)
    if not weights.exists():
        raise UsageError(f"--weights={weights} does not exist.")
    if flags.FLAGS.to:
        _write(flags.FLAGS.to, weights, output)
    else:
        _read(flags.FLAGS.get_flag_value("from", None), weights, output)


def check_flags() -> None:
    """Checks the flags against each other.

    Raises:
        UsageError: One is missing, or does not apply.
    """
    source, target = flags.FLAGS["from"].value, flags.FLAGS.to
    if bool(source) == bool(target):
        raise UsageError(
            f"Give --from, one of {', '.join(SOURCES)}, to convert another project's "
            f"file, or --to, one of {', '.join(TARGETS)}, to convert one of our "
            f"networks. Received: {'both' if source else 'neither'}"
        )
    if not flags.FLAGS.weights or not flags.FLAGS.output:
        raise UsageError("--weights and --output are both required.")
    chosen = f"--from={source}" if source else f"--to={target}"
    for name, use in {**OPTIONS, "name": "--from", "network": "--to"}.items():
        value = flags.FLAGS[name].value
        if value is not None and not f"{chosen}=".startswith(f"{use}="):
            raise UsageError(
                f"--{name}={value} does not apply to {chosen}, only to {use}"
            )


def default_name(weights: Path) -> str:
    """Returns the served model's name if no --name is given.

    Args:
        weights: The file or folder that it is read from.
    """
    path = weights.absolute()
    name = path.name if path.is_dir() else path.stem
    return re.sub("[^A-Za-z0-9_.-]+", "_", name).lstrip(".-") or "model"


def _read(source: str, weights: Path, output: Path) -> None:
    from export.saved_model import check_name, export_networks, tell

    name = flags.FLAGS.name
    name = default_name(weights) if name is None else name
    check_name(name)
    if weights.is_dir() and source not in FOLDERS:
        raise UsageError(f"--weights={weights} is a folder. Give the file in it.")
    quiet_tensorflow()
    converted = SOURCES[source](weights, **given(*OPTIONS))
    print(*converted.notes, converted.license, sep="\n")
    written = export_networks(
        converted.networks, output, name, description=converted.description(weights)
    )
    tell(written, output)


def _write(target: str, weights: Path, output: Path) -> None:
    quiet_tensorflow()
    TARGETS[target](_own_network(weights, flags.FLAGS.network), output)
    print(f"Wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


def _own_network(weights: Path, key: str | None) -> "keras.Model":
    """One of our networks, from a .keras file or a training run."""
    if key is not None and not weights.is_dir():
        raise UsageError(
            f"--network={key} does not apply to a file: --weights={weights} holds "
            "one network."
        )
    from tfgan_models.runs import opening

    found = opening.find(weights)
    networks = found.networks
    if found.loaded is not None or (found.model_dir is None and weights.is_dir()):
        raise UsageError(
            f"--weights={weights} is neither a .keras file that export.saved_model "
            "wrote nor the folder of a training run."
        )
    if key is None and len(networks) == 1:
        return next(iter(networks.values()))
    if key is None or key not in networks:
        raise UsageError(
            f"--network must be one of {', '.join(networks)}, the networks of "
            f"--weights={weights}. Received: {key or 'none'}"
        )
    return networks[key]


if __name__ == "__main__":
    define_flags()
    run(main)
