"""`python -m trainers`: what to train, and what to do with the result."""

import difflib
import sys
from collections.abc import Mapping, Sequence

from tfgan_models.systems import SYSTEMS

COMMANDS = {
    "trainers.generate": "images, videos and translations from a trained generator",
    "trainers.evaluate": "metrics of a model, next to baselines",
    "trainers.classify": "whether a generator's images have the class asked for",
    "trainers.plot": "training runs compared by their logs",
    "trainers.demo": "a translation trained, served and shown in minutes",
    "export.saved_model": "a training run's networks as SavedModel and .keras files",
    "export.check": "whether a server will load and run what was exported",
    "export.server_files": "the files for starting TensorFlow Serving",
    "export.serve": "a local endpoint with TensorFlow Serving's REST and gRPC APIs",
    "export.client": "image files through a served model",
    "export.batch": "folders of millions of images, with Apache Beam",
    "export.convert": "a SavedModel as ONNX, OpenVINO or LiteRT",
    "export.studio": "a web page to try models on",
    "tfgan_models.interop": "conversion of other projects' weights, both ways",
}
"""The other commands, by module."""


def usage() -> str:
    """Returns the systems and commands, one line each."""
    systems = {
        f"trainers.{name}": f"{system.title} (arXiv:{system.arxiv})"
        for name, system in SYSTEMS.items()
    }
    return (
        "Train one of these; --help shows its flags, --dry_run its recipe:\n"
        f"{_lines(systems)}\n"
        "Then, or before:\n"
        f"{_lines(COMMANDS)}"
    )


def main(arguments: Sequence[str]) -> int:
    """Prints the systems and commands.

    Args:
        arguments: Nothing, or --help.

    Returns:
        The exit status.
    """
    if set(arguments) <= {"--help", "-h"}:
        print(usage(), end="")
        return 0
    known = ", ".join(SYSTEMS)
    [meant, *_] = [*difflib.get_close_matches(arguments[0], SYSTEMS, 1), *SYSTEMS]
    print(
        f"trainers: Takes no arguments but --help. Received: {' '.join(arguments)}. "
        f"Start a system by its name ({known}): python -m trainers.{meant}",
        file=sys.stderr,
    )
    return 2


def _lines(words: Mapping[str, str]) -> str:
    width = max(map(len, words))
    return "".join(f"  python -m {k:{width}}  {v}\n" for k, v in words.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
