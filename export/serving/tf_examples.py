"""The classify and regress methods: tf.Examples in, classes or values out.

Models exported here have no such signatures, others may.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.serving.rest import decode_base64, text_bytes
from export.serving.rest_check import is_base64
from export.serving.rest_values import json_type, shown
from export.serving.status import Code, ServingError, invalid

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
_NOUNS = {"classify": "classification", "regress": "regression"}
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def serialized_examples(request: Mapping[str, Any]) -> np.ndarray:
    """Turns a parsed request into serialized tf.Examples.

    Args:
        request: With "examples", and perhaps a "context" of all of them.

    Returns:
        Bytes objects [N].

    Raises:
        ServingError: The request is malformed.
    """
    context = _serialized(request["context"]) if "context" in request else b""
    if "examples" not in request:
        problem = (
            "When method is classify, key 'examples' is expected and was not found"
        )
    elif not isinstance(request["examples"], list):
        problem = "Expecting 'examples' value to be an list/array"
    elif not request["examples"]:
        problem = "'examples' value is an empty array"
    else:
        # Serialized messages one after the other are one merged message.
        texts = [context + _serialized(example) for example in request["examples"]]
        return np.array(texts, object)
    raise invalid(f"JSON Value: {shown(request)} {problem}")


def check_signature(definitions: Mapping[str, Any], name: str, method: str) -> None:
    """Checks that a signature offers a method.

    Args:
        definitions: The model's SignatureDefs by name.
        name: Of the signature.
        method: "classify" or "regress".

    Raises:
        ServingError: It does not.
    """
    if name not in definitions:
        raise invalid(f"No signature was found with the name: {name}")
    signature = definitions[name]
    expected = f"tensorflow/serving/{method}"
    if signature.method_name != expected:
        raise invalid(
            f"Expected {_NOUNS[method]} signature method_name to be {expected}. "
            f"Was: {signature.method_name}"
        )
    if list(signature.inputs) != ["inputs"]:
        raise invalid("Expected one input Tensor.")


def regressions(outputs: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Returns float32 [N]: the values that a regression made.

    Args:
        outputs: Of the signature.
        count: N, of the examples.

    Raises:
        ServingError: The signature's output is no regression.
    """
    values = outputs.get("outputs")
    if values is None or len(outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if values.ndim not in (1, 2) or values.shape[1:] not in ((), (1,)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or "
            f"[batch_size, 1] but got {list(values.shape)}"
        )
    _check_batch("output", values, np.float32, count)
    return values.reshape(-1)


def classifications(
    outputs: Mapping[str, np.ndarray], count: int
) -> list[list[tuple[bytes, float]]]:
    """Returns the classes of each example: label, "" without labels, and score.

    Args:
        outputs: Of the signature: "classes", "scores" or both, [N, classes].
        count: N, of the examples.

    Raises:
        ServingError: The signature's outputs are no classification.
    """
    labels, scores = outputs.get("classes"), outputs.get("scores")
    if labels is None and scores is None:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            "Expected classification signature outputs to contain at least one of "
            '"classes" or "scores".',
        )
    kinds = (("classes", labels, object), ("scores", scores, np.float32))
    for name, values, dtype in kinds:
        if values is not None:
            if values.ndim != 2:
                raise invalid(
                    "Expected Tensor shape: [batch_size num_classes] but got "
                    f"{list(values.shape)}"
                )
            _check_batch(name, values, dtype, count)
    shape = scores.shape if labels is None else labels.shape
    labels = np.full(shape, b"", object) if labels is None else labels
    scores = np.zeros(shape, np.float32) if scores is None else scores
    if labels.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). "
            f"Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    pairs = zip(labels.tolist(), scores.tolist(), strict=True)
    return [list(zip(*pair, strict=True)) for pair in pairs]


def _check_batch(name: str, values: np.ndarray, dtype: Any, count: int) -> None:
    if len(values) != count:
        raise invalid(
            f"Expected {name} output batch size of {count}. Got: {len(values)}"
        )
    if values.dtype != dtype:
        raise invalid(f"Expected {name} Tensor of another type. Got: {values.dtype}")


def _serialized(value: Any) -> bytes:
    from tensorflow.core.example import example_pb2

    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        # Names are text in the message.
        feature = example.features.feature[text_bytes(name).decode("utf-8", "replace")]
        for item in content if isinstance(content, list) else [content]:
            _add(name, item, feature)
    return example.SerializeToString()


def _add(name: str, item: Any, feature: Any) -> None:
    """Adds a value to a feature, all of whose values are of one kind."""
    kind, value = _kind_of(name, item)
    known = feature.WhichOneof("kind")
    if known not in (None, kind):
        raise invalid(
            f"Unexpected element type in feature: {name} "
            f"expecting type: {_KINDS[known]}"
        )
    getattr(feature, kind).value.append(value)


def _kind_of(name: str, item: Any) -> tuple[str, Any]:
    if isinstance(item, str):
        return "bytes_list", text_bytes(item)
    if is_base64(item):
        return "bytes_list", decode_base64(item["b64"])
    if item is None or isinstance(item, list | dict):
        raise invalid(
            f"Feature: {name} has element with unexpected JSON type: {json_type(item)}"
        )
    if isinstance(item, int) and -(2**63) <= item < 2**63:
        return "int64_list", int(item)
    if isinstance(item, int) and 0 < item < 2**64:
        raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    if math.isfinite(item) and abs(item) > _LARGEST_FLOAT:
        raise invalid(
            f"Cannot convert JSON value: {shown(item)} to float "
            "without loss of precision."
        )
    return "float_list", float(item)
