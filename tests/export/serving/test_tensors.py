"""Tensor messages that do not say what they mean."""

import resource
from typing import Any

import grpc
import numpy as np
import pytest
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

from export.serving import tensors
from export.serving.status import Code, ServingError
from tests.export.serving.grpc_client import Client, refused, request

MAX_BYTES = 3 * 2**20


def shape(*sizes: int) -> tensor_shape_pb2.TensorShapeProto:
    proto = tensor_shape_pb2.TensorShapeProto()
    for size in sizes:
        proto.dim.add(size=size)
    return proto


def refusal(proto: tensor_pb2.TensorProto, dtype: str) -> str:
    with pytest.raises(ServingError) as caught:
        tensors.decode("x", proto, dtype, MAX_BYTES)
    assert caught.value.code == Code.INVALID_ARGUMENT
    return caught.value.message


FLOAT, STRING = types_pb2.DT_FLOAT, types_pb2.DT_STRING


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"tensor_shape": shape(1, 100_000, 100_000, 3), "float_val": [1.0]},
            "repeats the last of 1 values to 119999999996 bytes",
        ),
        ({"tensor_shape": shape(2**40)}, "repeats the last of 0 values to"),
        ({"tensor_shape": shape(-1, 1), "float_val": [1.0]}, "has negative sizes"),
        ({"tensor_shape": shape(2**62, 2**62, 0)}, "is too large"),
        ({"tensor_shape": shape(0, 2**62, 2**62)}, "is too large"),
        ({"tensor_shape": shape(*[1] * 33)}, "33 dimensions; at most 32"),
        (
            {"tensor_shape": shape(2), "tensor_content": b"1234567"},
            "shape [2] does not fit tensor_content of 7 bytes",
        ),
        ({"tensor_shape": {"unknown_rank": True}}, "its rank is not given"),
        ({"dtype": 0}, "it has no dtype"),
        ({"dtype": 999}, "there is no dtype of number 999"),
        ({"dtype": STRING, "string_val": [b"a"]}, "to be float but string is provided"),
        ({"dtype": 101}, "to be float but float_ref is provided"),
    ],
)
def test_inconsistent_tensors_are_refused(fields: dict[str, Any], text: str) -> None:
    proto = tensor_pb2.TensorProto(**{"dtype": FLOAT, **fields})
    assert text in refusal(proto, "float32")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"tensor_shape": shape(10**6), "string_val": [b"a" * 1000]},
            "repeats the last of 1 values to 1023998976 bytes",
        ),
        (
            {"tensor_shape": shape(100), "tensor_content": b"\x01a"},
            "does not fit tensor_content of 2 bytes",
        ),
        (
            {"tensor_shape": shape(1), "tensor_content": b"\xff\xff\xff\xff\x0fa"},
            "its values do not fit its shape and dtype",
        ),
    ],
)
def test_inconsistent_strings_are_refused(fields: dict[str, Any], text: str) -> None:
    proto = tensor_pb2.TensorProto(dtype=STRING, **fields)
    assert text in refusal(proto, "string")


def test_nothing_is_allocated_for_a_shape_that_is_only_claimed(client: Client) -> None:
    sizes = shape(1, 100_000, 100_000, 3)
    x = tensor_pb2.TensorProto(dtype=FLOAT, tensor_shape=sizes, float_val=[1.0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = request("half", {"x": x})
    code, text = refused(lambda: client.prediction.Predict(message, timeout=10))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        "tensor parsing error: x: shape [1, 100000, 100000, 3] repeats the last of 1 "
        f"values to 119999999996 bytes; at most {MAX_BYTES} are allowed"
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    answer = client.predict("half", {"x": np.float32([[1.0]])})
    assert answer.outputs["y"].float_val == [2.5]


def test_strings_in_the_content_as_tensorflow_writes_them() -> None:
    proto = tensor_pb2.TensorProto(dtype=STRING, tensor_shape=shape(2))
    proto.tensor_content = b"\x01\x02abb"
    assert tensors.decode("x", proto, "string", MAX_BYTES).tolist() == [b"a", b"bb"]


def test_more_values_than_the_shape_holds_are_dropped() -> None:
    proto = tensor_pb2.TensorProto(dtype=FLOAT, tensor_shape=shape(2))
    proto.float_val.extend([1.0, 2.0, 3.0])
    assert tensors.decode("x", proto, "float32", MAX_BYTES).tolist() == [1.0, 2.0]


def test_repeated_complex_values() -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_COMPLEX64, tensor_shape=shape(2))
    proto.scomplex_val.extend([1.0, 2.0])
    expected = [1 + 2j, 1 + 2j]
    assert tensors.decode("x", proto, "complex64", MAX_BYTES).tolist() == expected


def test_a_dtype_without_a_field_is_not_sent() -> None:
    with pytest.raises(ServingError, match="Outputs of dtype float128 cannot be sent"):
        tensors.encode(np.zeros([1], np.longdouble))
