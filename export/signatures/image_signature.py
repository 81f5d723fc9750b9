"""The signature from an image file to an image file, which clients look for."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tfgan_models.errors import UsageError

SIGNATURE = "encoded"
"""Its name."""

MAX_PIXELS = 2**24
"""Of the largest image that exported models decode, such as 4096 x 4096."""


class Signature(NamedTuple):
    """The names of the signature's input and output."""

    input: str
    output: str


def image_signature(
    told: str,
    signatures: Iterable[str],
    inputs: Mapping[str, str],
    outputs: Iterable[str],
) -> Signature:
    """Checks that a signature takes one image file and returns one.

    Args:
        told: The model, as the user named it.
        signatures: The names of all of the model's signatures.
        inputs: Name -> "DT_..." of the signature `encoded`; empty if there is none.
        outputs: Names of that signature's outputs.

    Raises:
        UsageError: It does not.
    """
    found = sorted(name for name in outputs if name.endswith("_bytes"))
    if list(inputs.values()) != ["DT_STRING"] or not found:
        raise UsageError(
            f"{told} does not take image files: that needs a signature {SIGNATURE} "
            "from one file to a file (..._bytes). Its signatures are "
            f"{sorted(signatures)}"
        )
    return Signature(next(iter(inputs)), found[0])
