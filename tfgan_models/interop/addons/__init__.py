"""Keras 2 models with layers of tensorflow-addons, as models of today's Keras.

tensorflow-addons ended with TensorFlow 2.15. Its layers are rebuilt from Keras's own
and ours, with the file's weights and equal output. No code in a file is run.
"""

from pathlib import Path

import keras

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import h5_file, saved_model_folder
from tfgan_models.interop.addons.description import Layer, Model
from tfgan_models.interop.addons.rebuild import Rebuilder
from tfgan_models.interop.converted import TERMS, Converted, in_lines

_LARGEST_MULTIPLE = 256
_IMAGE_CHANNELS = {1, 3}

# What values of other types than Keras 2 writes lead to.
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError)


@in_lines
def load(path: str | Path) -> Converted:
    """Rebuilds a Keras 2 model, saved whole as .h5 or SavedModel.

    A model that takes images [N, H, W, 1 or 3] of any size and returns images of the
    same size, for multiples of some number, has that as attribute `size_multiple`.

    Args:
        path: The .h5 file or the SavedModel's folder.

    Returns:
        The network as "model": functional, inputs and outputs named as in the file,
        computing in float32.

    Raises:
        UsageError: The file is of another kind, is damaged, or holds unsupported
            layers.
    """
    path = Path(path)
    _check_kind(path)
    try:
        folder = path.is_dir()
        model, version = (saved_model_folder if folder else h5_file).read(path)
        rebuilder = Rebuilder()
        network = rebuilder.network(model, path.name if folder else path.stem)
    except UsageError:
        raise
    except RecursionError:
        raise UsageError(
            f"{path} has too many layers in a row, or nested too deeply: Keras "
            "supports about 900."
        ) from None
    except _MALFORMED as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UsageError(
            f"{path} does not describe its model as Keras 2 does ({problem})."
        ) from None
    multiple = _size_multiple(network)
    if multiple:
        network.size_multiple = multiple
    recognised = (
        f"Recognised a Keras 2 model of {sum(1 for _ in model.walk())} layers, "
        f"{network.count_params():,} parameters."
    )
    notes = (recognised, *_notes(rebuilder, model, version), TERMS)
    return Converted({"model": network}, notes)


def _check_kind(path: Path) -> None:
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise UsageError(
                f"{path} has no saved_model.pb. Name the SavedModel's folder, or a .h5 "
                "file."
            )
        return
    if not path.is_file():
        raise UsageError(
            f"{path} does not exist. Name a .h5 file or a SavedModel's folder."
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        raise UsageError(
            f"{path} is a zip archive, like .keras files, which are not supported for "
            'Keras 2: save the model where it was made by model.save("model.h5").'
        )
    if start != b"\x89HDF":
        raise UsageError(f"{path} is neither a .h5 file nor a SavedModel's folder.")


def _size_multiple(network: keras.Model) -> int | None:
    """The number that height and width must be multiples of to be kept."""
    inputs, outputs = network.inputs, network.outputs
    if len(inputs) != 1 or len(outputs) != 1:
        return None
    shape, made = inputs[0].shape, outputs[0].shape
    if len(shape) != 4 or len(made) != 4 or shape[1:3] != (None, None):
        return None
    if not {shape[-1], made[-1]} <= _IMAGE_CHANNELS:
        return None
    multiple = 1
    while multiple <= _LARGEST_MULTIPLE:
        sizes = [(512 + multiple * i, 512 + multiple * j) for i, j in ((1, 2), (3, 1))]
        if all(_output_size(network, size) == size for size in sizes):
            return multiple
        multiple *= 2
    return None


def _output_size(network: keras.Model, size: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width of the output for an image of this size; None: it fails."""
    try:
        shape = network.compute_output_shape((1, *size, network.inputs[0].shape[-1]))
    except (TypeError, ValueError):  # Skip connections of different sizes.
        return None
    return shape[1:3]


def _notes(rebuilder: Rebuilder, model: Model, version: str) -> tuple[str, ...]:
    notes = [
        f"{count} {before} became {after}"
        for (before, after), count in sorted(rebuilder.became.items())
    ]
    layers = [each for layer in model.walk() for each in (layer, layer.wrapped) if each]
    halves = sum("float16" in str(layer.arguments.get("dtype")) for layer in layers)
    if halves:
        notes.append(f"{halves} layers of half precision compute in float32")
    unclear = sum(_named_gelu(layer) for layer in layers)
    if unclear and _since_2_12(version):
        notes.append(
            f"{unclear} activations named 'gelu' were taken for the exact one, as by "
            "Keras; in a .h5 file of Keras 2.12 or later tensorflow-addons' "
            "approximate gelu has the same name: a SavedModel tells them apart"
        )
    return tuple(notes)


def _named_gelu(layer: Layer) -> bool:
    return layer.arguments.get("activation") == "gelu"


def _since_2_12(version: str) -> bool:
    numbers = version.split(".")[:2]
    return all(each.isdigit() for each in numbers) and [*map(int, numbers)] >= [2, 12]
