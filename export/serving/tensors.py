"""TensorProtos of gRPC requests and responses, and their arrays."""

import math
from typing import TYPE_CHECKING

import numpy as np

from export.serving.models import MAX_RANK
from export.serving.status import Code, ServingError, invalid

if TYPE_CHECKING:
    from tensorflow.core.framework import tensor_pb2

# Size of an empty string in TensorFlow, in bytes.
_STRING_BYTES = 24
_MAX_BYTES = 2**63 - 1

# By the dtype's name: the field of its values, and what they are seen as there.
_FIELDS: dict[str, tuple[str, str | None]] = {
    "float32": ("float_val", None),
    "float64": ("double_val", None),
    "float16": ("half_val", "uint16"),
    "bfloat16": ("half_val", "uint16"),
    "int8": ("int_val", None),
    "int16": ("int_val", None),
    "int32": ("int_val", None),
    "int64": ("int64_val", None),
    "uint8": ("int_val", None),
    "uint16": ("int_val", None),
    "uint32": ("uint32_val", None),
    "uint64": ("uint64_val", None),
    "bool": ("bool_val", None),
    "complex64": ("scomplex_val", "float32"),
    "complex128": ("dcomplex_val", "float64"),
    "string": ("string_val", None),
}


def decode(
    name: str, proto: "tensor_pb2.TensorProto", dtype: str, max_bytes: int
) -> np.ndarray:
    """Returns the array of a TensorProto.

    A short list of values stands for a tensor of any size, whose last value is
    repeated: its size is computed before it is created.

    Args:
        name: Of the input, for messages.
        proto: The TensorProto.
        dtype: The signature's dtype, by TensorFlow's name.
        max_bytes: Maximum size of the repeated values.

    Returns:
        The array, as read-only memory; strings as bytes objects.

    Raises:
        ServingError: The message is inconsistent, of another dtype, or too large.
    """
    import tensorflow as tf

    _check_dtype(name, proto, dtype)
    dims = _dims(name, proto)
    _check_values(name, proto, dims, max_bytes)
    try:
        value = tf.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    except (tf.errors.OpError, ValueError) as error:
        raise _refused(name, "its values do not fit its shape and dtype") from error
    return np.array(value, object) if isinstance(value, bytes) else value


def encode(array: np.ndarray) -> "tensor_pb2.TensorProto":
    """Returns a TensorProto of an array, its values in the field of its dtype.

    TensorFlow Serving does the same: clients without TensorFlow read that field.

    Raises:
        ServingError: A dtype without a field in the message.
    """
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    dtype = "string" if array.dtype == object else array.dtype.name
    if dtype not in _FIELDS:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Outputs of dtype {dtype} cannot be sent"
        )
    field, view = _FIELDS[dtype]
    values = np.ascontiguousarray(array).reshape(-1)
    proto = tensor_pb2.TensorProto(
        dtype=tf.dtypes.as_dtype(dtype).as_datatype_enum,
        tensor_shape=tf.TensorShape(array.shape).as_proto(),
    )
    getattr(proto, field).extend((values.view(view) if view else values).tolist())
    return proto


def _check_dtype(name: str, proto: "tensor_pb2.TensorProto", dtype: str) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2

    expected = tf.dtypes.as_dtype(dtype).as_datatype_enum
    if proto.dtype == expected:
        return
    if proto.dtype == types_pb2.DT_INVALID:
        raise _refused(name, "it has no dtype")
    if proto.dtype not in types_pb2.DataType.values():
        raise _refused(name, f"there is no dtype of number {proto.dtype}")
    raise invalid(
        f"Expects input {name} to be {_shown(expected)} "
        f"but {_shown(proto.dtype)} is provided"
    )


def _dims(name: str, proto: "tensor_pb2.TensorProto") -> list[int]:
    shape = proto.tensor_shape
    if shape.unknown_rank:
        raise _refused(name, "its rank is not given")
    if len(shape.dim) > MAX_RANK:
        raise _refused(
            name, f"it has {len(shape.dim)} dimensions; at most {MAX_RANK} are allowed"
        )
    dims = [dim.size for dim in shape.dim]
    if any(size < 0 for size in dims):
        raise _refused(name, f"its shape {dims} has negative sizes")
    return dims


def _check_values(
    name: str, proto: "tensor_pb2.TensorProto", dims: list[int], max_bytes: int
) -> None:
    """Refuses values that are not those of the shape, or would grow too large."""
    import tensorflow as tf

    dtype = tf.dtypes.as_dtype(proto.dtype)
    size = _STRING_BYTES if dtype == tf.string else dtype.size
    count = math.prod(dims)
    if size * math.prod(max(n, 1) for n in dims) > _MAX_BYTES:
        raise _refused(name, f"its shape {dims} is too large")
    if proto.tensor_content:
        received = len(proto.tensor_content)
        # Each string takes at least one byte, its length.
        wrong = received < count if dtype == tf.string else received != size * count
        if wrong:
            raise _refused(
                name, f"shape {dims} does not fit tensor_content of {received} bytes"
            )
        return
    field, view = _FIELDS.get(dtype.name, ("int_val", None))
    values = getattr(proto, field)
    given = len(values) // 2 if view in ("float32", "float64") else len(values)
    last = len(values[-1]) if dtype == tf.string and given else 0
    needed = max(count - given, 0) * (size + last)
    if needed > max_bytes:
        raise _refused(
            name,
            f"shape {dims} repeats the last of {given} values to {needed} bytes; "
            f"at most {max_bytes} are allowed",
        )


def _refused(name: str, reason: str) -> ServingError:
    return invalid(f"tensor parsing error: {name}: {reason}")


def _shown(number: int) -> str:
    """The name of a dtype as TensorFlow's messages have it: float, int32."""
    from tensorflow.core.framework import types_pb2

    return types_pb2.DataType.Name(number).removeprefix("DT_").lower()
