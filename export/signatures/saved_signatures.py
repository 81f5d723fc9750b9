"""The signatures of a SavedModel, read from its file without loading the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tfgan_models.errors import FailureError

if TYPE_CHECKING:
    from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
    from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

MODEL_FILE = "saved_model.pb"

Shape: TypeAlias = tuple[int | None, ...] | None
"""A shape; None for an unknown size, or an unknown shape."""


@dataclass(frozen=True)
class SavedSignature:
    """The inputs and outputs of a signature.

    Args:
        inputs: Name -> dtype, by TensorFlow's names.
        input_shapes: Name -> shape.
        outputs: Name -> dtype.
        output_shapes: Name -> shape.
    """

    inputs: Mapping[str, str]
    input_shapes: Mapping[str, Shape]
    outputs: Mapping[str, str]
    output_shapes: Mapping[str, Shape]


def read(directory: Path) -> dict[str, SavedSignature]:
    """Returns signature name -> signature, by name.

    Args:
        directory: The SavedModel.

    Raises:
        FailureError: There is no SavedModel, or it cannot be read.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = directory / MODEL_FILE
    try:
        model = SavedModel.FromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise FailureError(f"{path} cannot be read: {error}") from error
    if not model.meta_graphs:
        raise FailureError(f"{path} has no model.")
    defined = model.meta_graphs[0].signature_def
    return {
        name: SavedSignature(
            _dtypes(defined[name].inputs),
            _shapes(defined[name].inputs),
            _dtypes(defined[name].outputs),
            _shapes(defined[name].outputs),
        )
        for name in sorted(defined)
        # TensorFlow's own start like this, such as the model's initializer.
        if not name.startswith("__")
    }


def _dtypes(tensors: Mapping[str, "TensorInfo"]) -> dict[str, str]:
    import tensorflow as tf

    return {name: tf.as_dtype(tensors[name].dtype).name for name in sorted(tensors)}


def _shapes(tensors: Mapping[str, "TensorInfo"]) -> dict[str, Shape]:
    return {name: _shape(tensors[name].tensor_shape) for name in sorted(tensors)}


def _shape(shape: "TensorShapeProto") -> Shape:
    if shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
