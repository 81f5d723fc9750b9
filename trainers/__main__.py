"""`python -m trainers`: what there is to train, and what to do with the result."""

import difflib
import sys
from collections.abc import Mapping, Sequence

from tfgan_models.systems import SYSTEMS

COMMANDS = {
    "trainers.generate": "pictures, films and translations of a trained generator",
    "trainers.evaluate": "how good a model is, and whether it is better than nothing",
    "trainers.classify": "whether a generator draws the class it is asked for",
    "trainers.plot": "trainings compared by what they have logged",
    "trainers.demo": "a system trained, served and shown in minutes",
    "export.saved_model": "a training's networks as SavedModel and .keras files",
    "export.check": "whether a server will load and run what was exported",
    "export.server_files": "the files that TensorFlow Serving is started with",
    "export.serve": "a local endpoint for them, REST and gRPC as TensorFlow Serving's",
    "export.client": "picture files through a served model",
    "export.batch": "folders of millions of pictures, by Apache Beam",
    "export.convert": "a SavedModel as ONNX, OpenVINO or LiteRT",
    "export.studio": "a web page for those who would rather look",
    "tfgan_models.interop": "other projects' files as networks of ours, and back",
}
"""What else can be started, by module."""


def usage() -> str:
    """Returns the systems and commands, a line each."""
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
    """Prints what there is.

    Args:
        arguments: None, or --help.

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
        f"Start a system by its name, one of {known}: python -m trainers.{meant}",
        file=sys.stderr,
    )
    return 2


def _lines(words: Mapping[str, str]) -> str:
    width = max(map(len, words))
    return "".join(f"  python -m {k:{width}}  {v}\n" for k, v in words.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
