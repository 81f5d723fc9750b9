"""JSON bodies of the predict method <-> arrays, as TensorFlow Serving's REST API.

Pure functions: no HTTP, no models, no TensorFlow. Dtypes are TensorFlow's names;
strings are object arrays of bytes.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from export.serving.status import Code, ServingError, invalid

DEFAULT_SIGNATURE = "serving_default"
_FLOATS = ("float32", "float64")
# Integers narrower than 32 bits are checked as int32 and then cut down.
_INTEGERS = {
    **dict.fromkeys(("int8", "uint8", "int16", "int32"), np.int32),
    **dict.fromkeys(("uint16", "uint32"), np.uint32),
    "int64": np.int64,
    "uint64": np.uint64,
}
_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}
_JSON_NAMES = {
    dict: "Object",
    list: "Array",
    str: "String",
    bool: "Bool",
    int: "Number",
    float: "Number",
    type(None): "Null",
}


def parse_body(body: bytes) -> dict[str, Any]:
    """Parses the body of a predict request.

    Text after the JSON object is ignored; NaN, Infinity and -Infinity are accepted.

    Args:
        body: JSON in UTF-8. Bytes that are no UTF-8 are kept, as surrogates.

    Raises:
        ServingError: The body is no JSON object.
    """
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n")
    if not text:
        raise invalid("JSON Parse error: The document is empty.")
    try:
        request, _ = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply.") from None
    except ValueError as error:
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(request, dict):
        raise _type_error(request, "object")
    return request


def signature_name(request: Mapping[str, Any]) -> str:
    """Returns the signature that a parsed request asks for.

    Raises:
        ServingError: "signature_name" is no string.
    """
    name = request.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    return name or DEFAULT_SIGNATURE


def decode_inputs(
    request: Mapping[str, Any], dtypes: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], bool]:
    """Turns a parsed request into the inputs of a signature.

    Args:
        request: The parsed body.
        dtypes: Input name -> dtype of the signature.

    Returns:
        The arrays by input name, and whether the request was in row format
        ("instances"; the answer must be in the same format).

    Raises:
        ServingError: The request does not fit the signature.
    """
    if "instances" in request and "inputs" in request:
        raise invalid("Only one of the keys 'inputs' and 'instances' may exist.")
    if "instances" in request:
        return _decode_rows(request["instances"], dtypes), True
    if "inputs" in request:
        return _decode_columns(request["inputs"], dtypes), False
    raise invalid("Missing 'inputs' or 'instances' key")


def encode_outputs(outputs: Mapping[str, np.ndarray], row: bool) -> bytes:
    """Writes the body of the answer.

    Strings of outputs whose name ends in "_bytes" are written as {"b64": ...}, all
    others as they are.

    Args:
        outputs: The arrays by output name.
        row: Whether in row format ("predictions") or columnar ("outputs").

    Raises:
        ServingError: A dtype that JSON has no value for, or in row format outputs
            which differ in their first dimension.
    """
    if row:
        _check_rows(outputs)
    columns = {name: _to_json(name, array) for name, array in outputs.items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not row:
        answer = {"outputs": columns if only is None else only}
    elif only is None:
        rows = zip(*columns.values(), strict=True)
        answer = {"predictions": [dict(zip(columns, r, strict=True)) for r in rows]}
    else:
        answer = {"predictions": only}
    text = json.dumps(answer, ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def _decode_rows(instances: Any, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Row format: one element for each example, stacked along a new first axis."""
    if not isinstance(instances, list):
        raise _type_error(instances, "list")
    if not instances:
        raise invalid("No values in 'instances' array")
    rows: dict[str, list[np.ndarray]] = {name: [] for name in dtypes}
    named = len(dtypes) > 1 or _is_named(instances[0])
    for i, element in enumerate(instances):
        try:
            values = _named_values(element, dtypes) if named else [element]
            for name, value in zip(dtypes, values, strict=True):
                rows[name].append(_row(value, dtypes[name], rows[name]))
        except ServingError as error:
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. "
                f"Error: {error.code.name}: {error.message}"
            ) from None
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def _is_named(element: Any) -> bool:
    return isinstance(element, dict) and set(element) != {"b64"}


def _named_values(element: Any, dtypes: Mapping[str, str]) -> list[Any]:
    """The values of {input name: value}, in the order of the inputs."""
    if not isinstance(element, dict):
        raise _type_error(element, "object")
    for name in element:
        if name not in dtypes:
            raise invalid(f"JSON object: does not have named input: {name}")
    if len(element) != len(dtypes):
        expected = ",".join(sorted(dtypes))
        raise invalid(f"JSON object: keys must be equal to: {expected}")
    return [element[name] for name in dtypes]


def _row(value: Any, dtype: str, earlier: list[np.ndarray]) -> np.ndarray:
    array = _to_array(value, dtype)
    if earlier and array.size != earlier[0].size:
        raise invalid(f"Expecting tensor size: {earlier[0].size} but got: {array.size}")
    if earlier and array.shape != earlier[0].shape:
        raise invalid(
            f"Expecting tensor shape: {earlier[0].shape} but got: {array.shape}"
        )
    return array


def _decode_columns(inputs: Any, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columnar format: a whole tensor of any rank for each input."""
    if len(dtypes) == 1:
        name = next(iter(dtypes))
        value = inputs[name] if isinstance(inputs, dict) and name in inputs else inputs
        return {name: _to_array(value, dtypes[name])}
    if not isinstance(inputs, dict):
        raise _type_error(inputs, "object")
    for name in dtypes:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _to_array(inputs[name], dtype) for name, dtype in dtypes.items()}


def _to_array(value: Any, dtype: str) -> np.ndarray:
    """A dense array of `dtype` from nested lists, a scalar or a b64 object."""
    shape, leaves = _flatten(value)
    if dtype == "string":
        array = np.empty(len(leaves), object)
        array[:] = [_to_bytes(leaf) for leaf in leaves]
    elif dtype == "bool":
        _check_types(leaves, {bool}, dtype)
        array = np.array(leaves, np.bool_)
    elif dtype in _FLOATS:
        _check_types(leaves, {int, float}, dtype)
        array = _to_floats(leaves, dtype)
    elif dtype in _INTEGERS:
        _check_types(leaves, {int}, dtype)
        array = _to_integers(leaves, dtype)
    else:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value to type: {_cpp_name(dtype)} is not supported",
        )
    return array.reshape(shape)


def _flatten(value: Any) -> tuple[list[int], list[Any]]:
    """The shape and the leaves of nested lists; all at one depth, none ragged."""
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        for item in level:
            if not isinstance(item, list):
                raise invalid(
                    f"JSON Value: {_shown(item)} found at incorrect level: "
                    f"{len(shape)}; expected a list there"
                )
            if len(item) != len(level[0]):
                raise invalid(
                    f"Encountered list at unexpected size: {len(item)} at level: "
                    f"{len(shape)} expected size: {len(level[0])}"
                )
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise invalid(
            f"Encountered list at unexpected level: {len(shape)} "
            f"expected < {len(shape)}"
        )
    return shape, level


def _check_types(leaves: list[Any], allowed: set[type], dtype: str) -> None:
    if not set(map(type, leaves)) <= allowed:
        wrong = next(leaf for leaf in leaves if type(leaf) not in allowed)
        raise _type_error(wrong, _cpp_name(dtype))


def _to_floats(leaves: list[float], dtype: str) -> np.ndarray:
    try:
        doubles = np.array(leaves, np.float64)
    except OverflowError:
        raise invalid(
            "JSON Parse error: Number too big to be stored in double."
        ) from None
    with np.errstate(over="ignore", under="ignore"):
        return doubles.astype(dtype)


def _to_integers(leaves: list[int], dtype: str) -> np.ndarray:
    checked = _INTEGERS[dtype]
    limits = np.iinfo(checked)
    for leaf in leaves:
        if not limits.min <= leaf <= limits.max:
            raise _type_error(leaf, _cpp_name(dtype))
    return np.array(leaves, checked).astype(dtype)


def _to_bytes(leaf: Any) -> bytes:
    """The bytes of a JSON string or of {"b64": string}."""
    if isinstance(leaf, str):
        try:
            return leaf.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise invalid("JSON Parse error: Unpaired surrogate in a string.") from None
    if isinstance(leaf, dict) and set(leaf) == {"b64"}:
        text = leaf["b64"]
        if isinstance(text, str):
            try:
                padding = "=" * (-len(text) % 4)
                return base64.b64decode(text + padding, validate=True)
            except (binascii.Error, ValueError):
                raise invalid("Unable to base64 decode") from None
    raise _type_error(leaf, "string")


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    batch = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(
                f"Tensor name: {name} has no batch dimension; ask with 'inputs'"
            )
        batch = len(array) if batch is None else batch
        if len(array) != batch:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {batch}"
            )


def _to_json(name: str, array: np.ndarray) -> Any:
    """Nested lists (or a scalar) of what JSON writes."""
    dtype = array.dtype.name
    if dtype == "object":
        wrap = name.endswith("_bytes")
        values = np.empty(array.size, object)
        values[:] = [_string(value, wrap) for value in array.ravel()]
        return values.reshape(array.shape).tolist()
    if dtype == "float32":
        return _shortest(array).tolist()
    if dtype == "float64" or dtype == "bool" or dtype in _INTEGERS:
        return array.tolist()
    raise invalid(f"Failed to write JSON value for tensor type: {_cpp_name(dtype)}")


def _string(value: bytes, wrap: bool) -> str | dict[str, str]:
    if wrap:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "surrogateescape")


def _shortest(array: np.ndarray) -> np.ndarray:
    """float32 as doubles of 6 digits where those tell it exactly, else of 9."""
    flat = array.ravel().tolist()
    short = np.array([float(f"{value:.6g}") for value in flat], np.float64)
    with np.errstate(over="ignore"):
        inexact = np.flatnonzero(short.astype(np.float32) != array.ravel())
    for i in inexact:
        short[i] = float(f"{flat[i]:.9g}")
    return short.reshape(array.shape)


def _type_error(value: Any, expected: str) -> ServingError:
    return invalid(
        f"JSON Value: {_shown(value)} Type: {_JSON_NAMES[type(value)]} "
        f"is not of expected type: {expected}"
    )


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _cpp_name(dtype: str) -> str:
    return _CPP_NAMES.get(dtype, dtype)
