"""Requests of the studio to an endpoint, and what it makes of the responses.

Nothing here opens a connection or a page.
"""

import base64
import binascii
import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import Image

from export.clients import image_files
from tfgan_models.errors import FailureError, UsageError

ENCODED, GENERATE, MIX = "encoded", "generate", "mix"
TRANSLATED, UPSCALED = "translated_bytes", "upscaled_bytes"
MOST_VALUES = 2**20
"""Images per request: their numbers come along as text."""
LARGEST_SEED = 2**53 - 1
"""A browser's numbers are exact up to here."""

_FILES = "image_bytes"
_IMAGE_RANK = 4
_GENERATE_INPUTS = {"seed", "truncation_psi", "label", "caption"}
_MIX_INPUTS = {"seed_coarse", "seed_fine", "cutoff", "label"}

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Generation:
    """A signature that generates images from seeds.

    Args:
        inputs: Its inputs: `seed`, possibly `truncation_psi`, `label` and `caption`.
        at_once: Images per request.
    """

    inputs: frozenset[str]
    at_once: int


@dataclass(frozen=True)
class Mixing:
    """A signature that generates images from two seeds' styles.

    Args:
        inputs: `seed_coarse`, `seed_fine`, `cutoff` and possibly `label`.
        layers: Number of style layers; None: the model does not say.
        at_once: Images per request.
    """

    inputs: frozenset[str]
    layers: int | None
    at_once: int


@dataclass(frozen=True)
class Offer:
    """What a served model offers.

    Args:
        name: Of the model.
        version: The version that responded.
        size: Its image size, such as "64 x 64 px", or "any size".
        made: The output of its signature from image file to image file,
            `translated_bytes` or `upscaled_bytes`; None: it has no such signature.
        generation: None: it does not generate from seeds.
        mixing: None: it does not mix styles.
        signatures: The names of all signatures it has.
    """

    name: str
    version: str
    size: str
    made: str | None
    generation: Generation | None
    mixing: Mixing | None
    signatures: tuple[str, ...]


def offer(metadata: Mapping[str, Any]) -> Offer:
    """Reads what a model offers.

    Args:
        metadata: The endpoint's response to GET /v1/models/NAME/metadata.

    Raises:
        FailureError: It is not such a response.
    """
    try:
        spec = metadata["model_spec"]
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        return Offer(
            name=spec["name"],
            version=spec["version"],
            size=_size(signatures),
            made=_made(signatures.get(ENCODED)),
            generation=_generation(signatures.get(GENERATE)),
            mixing=_mixing(signatures.get(MIX), signatures.get("synthesis")),
            # TensorFlow Serving also lists the loader's own.
            signatures=tuple(sorted(n for n in signatures if not n.startswith("__"))),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FailureError(
            "The endpoint's metadata is not TensorFlow Serving's. Received: "
            f"{str(metadata)[:200]}"
        ) from error


def file_request(contents: bytes) -> Body:
    """Returns a request for a model's result for one image file."""
    file = {"b64": base64.b64encode(contents).decode()}
    return {"signature_name": ENCODED, "inputs": {_FILES: [file]}}


def seeds_from(first: float | None, count: float) -> list[int]:
    """Returns `count` consecutive seeds.

    Raises:
        UsageError: The first one is not a whole number that a browser represents
            exactly.
    """
    seed, count = whole("seed", first), int(count)
    if not -LARGEST_SEED <= seed <= LARGEST_SEED - count:
        raise UsageError(
            f"The seed must be from {-LARGEST_SEED} to {LARGEST_SEED - count}. "
            f"Received: {seed}"
        )
    return list(range(seed, seed + count))


def whole(name: str, value: float | None) -> int:
    """Returns a form's number as an int.

    Args:
        name: Its name in messages.
        value: The form's value; None: the field is empty.

    Raises:
        UsageError: It is empty, or not a whole number.
    """
    if value is None or not math.isfinite(value) or value != int(value):
        received = "nothing" if value is None else value
        raise UsageError(f"The {name} must be a whole number. Received: {received}")
    return int(value)


def generate_requests(
    signature: Generation, seeds: Sequence[int], values: Mapping[str, Any]
) -> list[Body]:
    """Returns a request for an image of each seed.

    Args:
        signature: The model's signature.
        seeds: One or more.
        values: The other inputs, by name; what the signature lacks is left out.
    """
    others = {name: values[name] for name in signature.inputs - {"seed"}}
    return [
        _columns(GENERATE, {"seed": part}, others)
        for part in _parts(seeds, signature.at_once)
    ]


def mix_requests(
    signature: Mixing, pairs: Sequence[tuple[int, int]], values: Mapping[str, Any]
) -> list[Body]:
    """Returns a request for an image of each pair of seeds.

    Args:
        signature: The model's signature.
        pairs: The coarse seed and the fine one.
        values: `cutoff` and, if the signature has it, `label`.
    """
    others = {
        name: values[name] for name in signature.inputs - {"seed_coarse", "seed_fine"}
    }
    requests = []
    for part in _parts(pairs, signature.at_once):
        coarse, fine = (list(side) for side in zip(*part, strict=True))
        seeds = {"seed_coarse": coarse, "seed_fine": fine}
        requests.append(_columns(MIX, seeds, others))
    return requests


def mix_pairs(coarse: Sequence[int], fine: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the pairs of a mixing table, row by row.

    Above the columns are the fine seeds' own images, left of the rows the coarse
    seeds'; the corner is left out.
    """
    pairs = [(seed, seed) for seed in fine]
    for row in coarse:
        pairs += [(row, row), *((row, column) for column in fine)]
    return pairs


def files(answer: Mapping[str, Any], output: str = _FILES) -> list[bytes]:
    """Reads the image files of a response.

    Args:
        answer: The endpoint's response to a request made here.
        output: The name of the output with them.

    Raises:
        FailureError: There are none.
    """
    try:
        outputs = answer["outputs"]
        column = outputs[output] if isinstance(outputs, dict) else outputs
        return [base64.b64decode(file["b64"], validate=True) for file in column]
    except (KeyError, TypeError, binascii.Error) as error:
        raise FailureError(
            f"The endpoint's response has no files {output!r}. Received: "
            f"{str(answer)[:200]}"
        ) from error


def bicubic(contents: bytes, like: bytes) -> bytes:
    """Enlarges an image as any image viewer does.

    Args:
        contents: An image file.
        like: Another, whose width and height are the target.

    Returns:
        A PNG file.

    Raises:
        UsageError: Pillow cannot read the first one.
    """
    with Image.open(io.BytesIO(like)) as image:
        size = image.size
    try:
        with Image.open(io.BytesIO(contents)) as image:
            return image_files.to_png(
                image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
            )
    except OSError as error:
        raise UsageError(
            "The file cannot be shown here for comparison. Give a PNG or JPEG file."
        ) from error


def table(cells: Sequence[bytes], columns: int) -> bytes:
    """Arranges images of one size in a table with an empty corner.

    Args:
        cells: Image files, row by row, without the corner.
        columns: Images per row.

    Returns:
        A PNG file, transparent between the images.
    """
    images = [Image.open(io.BytesIO(file)).convert("RGBA") for file in cells]
    width, height = images[0].size
    gap = max(1, width // 16)
    rows = (len(images) + 1) // columns
    size = columns * (width + gap) - gap, rows * (height + gap) - gap
    drawn = Image.new("RGBA", size)
    for place, image in enumerate(images, 1):
        row, column = divmod(place, columns)
        drawn.paste(image, (column * (width + gap), row * (height + gap)))
    return image_files.to_png(drawn)


def archive(contents: Mapping[str, bytes]) -> bytes:
    """Returns files, by their names, as one ZIP file."""
    file = io.BytesIO()
    # PNG files are compressed already.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return file.getvalue()


def grid_columns(count: int) -> int:
    """Returns the number of images side by side, at most four."""
    return min(4, math.ceil(math.sqrt(count)))


def width(contents: bytes) -> int:
    """Returns an image file's width in pixels."""
    with Image.open(io.BytesIO(contents)) as image:
        return image.width


def _size(signatures: Mapping[str, Any]) -> str:
    """The size of a model's images, for users."""
    for name, side in (("generate", "outputs"), ("serving_default", "inputs")):
        value = signatures.get(name, {}).get(side, {}).get("image")
        if value is not None and len(shape := _shape(value)) == _IMAGE_RANK:
            _, height, width, _ = shape
            return f"{width} x {height} px" if width and height else "any size"
    return "any size"


def _made(encoded: Mapping[str, Any] | None) -> str | None:
    if encoded is None or set(encoded["inputs"]) != {_FILES}:
        return None
    return next((n for n in (TRANSLATED, UPSCALED) if n in encoded["outputs"]), None)


def _generation(generate: Mapping[str, Any] | None) -> Generation | None:
    if generate is None or _FILES not in generate["outputs"]:
        return None
    inputs = frozenset(generate["inputs"])
    if not {"seed"} <= inputs <= _GENERATE_INPUTS:
        return None
    return Generation(inputs, _at_once(generate))


def _mixing(
    mix: Mapping[str, Any] | None, synthesis: Mapping[str, Any] | None
) -> Mixing | None:
    if mix is None or _FILES not in mix["outputs"]:
        return None
    inputs = frozenset(mix["inputs"])
    if inputs | {"label"} != _MIX_INPUTS:
        return None
    layers = None
    if synthesis is not None and "w" in synthesis["inputs"]:
        _, layers, *_ = _shape(synthesis["inputs"]["w"])
    return Mixing(inputs, layers, _at_once(mix))


def _at_once(signature: Mapping[str, Any]) -> int:
    """Images per request: their numbers come along as text."""
    if "image" not in signature["outputs"]:
        return 1
    sides = _shape(signature["outputs"]["image"])[1:]
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        return 1
    return max(1, MOST_VALUES // max(1, math.prod(known)))


def _shape(value: Mapping[str, Any]) -> list[int | None]:
    sizes = [int(dim["size"]) for dim in value["tensor_shape"]["dim"]]
    return [None if size < 0 else size for size in sizes]


def _columns(
    signature: str, columns: Mapping[str, Sequence[int]], others: Mapping[str, Any]
) -> Body:
    count = len(next(iter(columns.values())))
    inputs = {name: list(column) for name, column in columns.items()}
    inputs |= {name: [value] * count for name, value in sorted(others.items())}
    return {"signature_name": signature, "inputs": inputs}


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
