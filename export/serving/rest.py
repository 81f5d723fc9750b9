"""JSON bodies of the predict method -> arrays, as TensorFlow Serving's REST API.

Pure functions: no HTTP, no models, no TensorFlow. Dtypes are TensorFlow's names;
strings are object arrays of bytes. The answers are written by `rest_writer`.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from export.serving import rest_parser
from export.serving.models import DEFAULT_SIGNATURE, MAX_RANK
from export.serving.rest_check import (
    INTEGERS,
    TYPES,
    check_rows,
    check_tensor,
    is_named,
)
from export.serving.rest_values import shown
from export.serving.status import Code, ServingError, invalid


def parse_body(body: bytes) -> dict[str, Any]:
    """Parses the body of a request.

    Text after the JSON object is ignored; NaN, Infinity and -Infinity are accepted.

    Args:
        body: JSON in UTF-8. Bytes that are not UTF-8 are kept, as surrogates.

    Raises:
        ServingError: The body is not a JSON object.
    """
    request = rest_parser.parse(body)
    if not isinstance(request, dict):
        raise invalid(f"JSON Value: {shown(request)} Is not object")
    return request


def signature_name(request: Mapping[str, Any]) -> str:
    """Returns the signature that a parsed request names.

    Raises:
        ServingError: "signature_name" is not a string.
    """
    name = request.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(request)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def decode_inputs(
    request: Mapping[str, Any], dtypes: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], bool]:
    """Converts a parsed request to the inputs of a signature.

    Args:
        request: The parsed body.
        dtypes: Input name -> dtype of the signature.

    Returns:
        The arrays by input name, and whether the request was in row format
        ("instances"; the response must have the same format).

    Raises:
        ServingError: The request does not fit the signature.
    """
    if not dtypes:
        name = request.get("signature_name") or "DEFAULT"
        raise invalid(f"Failed to get input map for signature: {name}")
    row = "instances" in request
    if row and "inputs" in request:
        raise invalid(
            f"JSON Value: {shown(request)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    if not row and "inputs" not in request:
        raise invalid("Missing 'inputs' or 'instances' key")
    if row and not isinstance(request["instances"], list):
        raise invalid(
            f"JSON Value: {shown(request)} Excepting 'instances' to be an list/array"
        )
    if row and not request["instances"]:
        raise invalid(f"JSON Value: {shown(request)} No values in 'instances' array")
    decode = _decode_rows if row else _decode_columns
    return decode(request["instances" if row else "inputs"], dtypes), row


def _decode_rows(
    instances: list[Any], dtypes: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Row format: one element per example, stacked along a new first axis."""
    named = is_named(instances[0])
    arrays: dict[str, np.ndarray | None] = {}
    if named and all(
        type(row) is dict and row.keys() == dtypes.keys() for row in instances
    ):
        for name, dtype in dtypes.items():
            arrays[name] = _to_array([row[name] for row in instances], dtype)
    elif not named and len(dtypes) == 1:
        arrays = {n: _to_array(instances, dtype) for n, dtype in dtypes.items()}
    decoded = {n: array for n, array in arrays.items() if array is not None}
    if not decoded or len(decoded) < len(arrays):
        check_rows(instances, dtypes)
        # One {"b64": ...} for each element of a signature that takes more than that.
        first, *others = sorted(dtypes)
        raise invalid(
            f"input size does not match signature: 1!={len(dtypes)} "
            f"len({{{first}}}) != len({{{','.join(sorted(dtypes))}}}). "
            f"Sent extra: {{}}. Missing but required: {{{','.join(others)}}}."
        )
    return decoded


def _decode_columns(inputs: Any, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columnar format: whole tensors, by name if there are several."""
    if not is_named(inputs):
        if len(dtypes) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        inputs = dict.fromkeys(dtypes, inputs)
    arrays = {}
    for name in sorted(dtypes):
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        array = _to_array(inputs[name], dtypes[name])
        if array is None:
            check_tensor(inputs[name], dtypes[name])
            raise ServingError(Code.INTERNAL, f"Could not decode the input {name}")
        arrays[name] = array
    return arrays


def _to_array(value: Any, dtype: str) -> np.ndarray | None:
    """The array of a value; None if it has none: `rest_check` says why."""
    flat = _flatten(value)
    if flat is None or dtype not in TYPES:
        return None
    shape, leaves = flat
    if not set(map(type, leaves)) <= TYPES[dtype]:
        return None
    array = _to_strings(leaves) if dtype == "string" else _to_numbers(leaves, dtype)
    return None if array is None else array.reshape(shape)


def _flatten(value: Any) -> tuple[list[int], list[Any]] | None:
    """The shape and the leaves of nested lists; None if they are ragged."""
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list} or len(set(map(len, level))) > 1:
            return None
        shape.append(len(level[0]))
        if len(shape) > MAX_RANK:
            return None
        level = list(chain.from_iterable(level))
    return shape, level


def _to_numbers(leaves: list[Any], dtype: str) -> np.ndarray | None:
    try:
        checked = np.array(leaves, INTEGERS.get(dtype, np.float64))
    except OverflowError:
        if dtype in INTEGERS:
            return None
        raise rest_parser.too_big() from None
    # Python reads 1e999 as an infinity.
    if np.isinf(checked).any() and any(
        type(leaf) is float and math.isinf(leaf) for leaf in leaves
    ):
        raise rest_parser.too_big()
    with np.errstate(over="ignore", under="ignore"):
        # Narrow integers are truncated.
        return checked.astype(dtype)


def _to_strings(leaves: list[Any]) -> np.ndarray | None:
    if any(map(is_named, leaves)):
        return None
    array = np.empty(len(leaves), object)
    array[:] = [
        leaf.encode("utf-8", "surrogateescape")
        if isinstance(leaf, str)
        else _base64_bytes(leaf["b64"])
        for leaf in leaves
    ]
    return array


def _base64_bytes(text: str) -> bytes:
    """The bytes of base64 text; padding may be missing, white space is skipped."""
    compact = "".join(text.split())
    digits = compact.rstrip("=.")
    missing = -len(digits) % 4
    try:
        if len(compact) - len(digits) not in (0, missing):
            raise binascii.Error
        return base64.b64decode(digits + "=" * missing, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None
