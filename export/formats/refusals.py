"""What signatures can do and no other format supports, by name."""

import re
from pathlib import Path

import tensorflow as tf

from export.formats import graph
from tfgan_models.errors import UsageError

_REFUSED = {
    "image files": r"Decode(Image|Jpeg|AndCropJpeg|Png|Gif|Bmp|WebP)"
    r"|Encode(Png|Jpeg).*",
    "strings": r"String.*|Static(Regex|String).*|Regex.*|Substr|AsString|ReduceJoin"
    r"|(De|En)code(Raw|PaddedRaw|Base64)|Unicode.*",
    "random numbers from seeds": r"(Stateless)?(Random|Truncated|Parameterized).*"
    r"|Stateful(Uniform|StandardNormal|Truncated).*|Rng.*",
    "loops": r"(Stateless)?While",
    "inverse error function": r"Erfinv",
}
"""Feature -> a pattern of TensorFlow operations that reveal it."""


def check(name: str, directory: Path, signature: str, found: graph.Graph) -> None:
    """Fails if a signature uses something that formats do not support.

    Args:
        name: Of the format.
        directory: Of the SavedModel.
        signature: Its name.
        found: The signature.

    Raises:
        UsageError: It does; says what, and what can be converted instead.
    """
    reasons = reasons_against(found)
    if not reasons:
        return
    raise UsageError(
        f"{name} has no {', no '.join(reasons)}, which the signature {signature!r} "
        f"needs. {_advice(directory, signature)}"
    )


def reasons_against(found: graph.Graph) -> list[str]:
    """Returns a signature's unsupported features, with operations and inputs."""
    operations = sorted(found.operations())
    reasons = []
    for what, pattern in _REFUSED.items():
        names = [name for name in operations if re.fullmatch(pattern, name)]
        if what == "strings":
            names += [n for n, spec in found.inputs.items() if spec.dtype == tf.string]
        if names:
            reasons.append(f"{what} ({', '.join(names)})")
    return reasons


def _advice(directory: Path, signature: str) -> str:
    others = [name for name in graph.signatures(directory) if name != signature]
    possible = [n for n in others if not reasons_against(graph.read(directory, n))]
    if possible:
        return (
            f"Convert --signature={' or --signature='.join(possible)}; the app does "
            "the rest (see examples)."
        )
    return (
        "Nor does it support this model's other signatures. The .keras file next to "
        "it takes only arrays; Keras's Model.export converts that."
    )
