"""Arrays -> the JSON of a response, laid out like TensorFlow Serving's.

Its layout is that of rapidjson's PrettyWriter: four spaces a level and, in row
format, the arrays of each example on one line.
"""

import base64
import json
import math
from collections.abc import Mapping
from itertools import chain

import numpy as np
import orjson

from export.serving.rest_numbers import decimal_text, plain_doubles
from export.serving.rest_values import cpp_name
from export.serving.status import invalid

_INTEGERS = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")
_LONGEST_MESSAGE = 4000


def encode_outputs(outputs: Mapping[str, np.ndarray], row: bool) -> bytes:
    """Writes the body of the response to a predict request.

    Strings of outputs whose name ends in "_bytes" are written as {"b64": ...}, all
    others unchanged.

    Args:
        outputs: The arrays by output name, in the order of the response.
        row: Whether in row format ("predictions") or columnar ("outputs").

    Raises:
        ServingError: A dtype without JSON values, or in row format outputs
            that differ in their first dimension.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    (name, array), *others = outputs.items()
    if not row:
        whole = _object(outputs, 1) if others else _text(name, array, 1)
        return _root("outputs", whole)
    _check_rows(outputs)
    if not len(array):
        return _root("predictions", b"[]")
    if not others:
        rows = _text(name, array, 1, one_line=True)
        return _root("predictions", rows[:-1] + _line(1) + b"]")
    objects = (
        _line(2) + _object({n: a[i, ...] for n, a in outputs.items()}, 2, one_line=True)
        for i in range(len(array))
    )
    return _root("predictions", b"[" + b",".join(objects) + _line(1) + b"]")


def encode_error(message: str) -> bytes:
    """Writes the body of an error response.

    Args:
        message: May contain what the client sent; a long one is cut.
    """
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}..."
    text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _root("error", _quoted(text.encode()))


def _root(name: str, value: bytes) -> bytes:
    return b'{\n    "' + name.encode() + b'": ' + value + b"\n}"


def _line(depth: int) -> bytes:
    return b"\n" + b"    " * depth


def _object(
    outputs: Mapping[str, np.ndarray], depth: int, one_line: bool = False
) -> bytes:
    members = (
        _line(depth + 1)
        + _quoted(name.encode())
        + b": "
        + _text(name, array, depth + 1, one_line)
        for name, array in outputs.items()
    )
    return b"{" + b",".join(members) + _line(depth) + b"}"


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    batch = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        batch = len(array) if batch is None else batch
        if len(array) != batch:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {batch}"
            )


def _text(name: str, array: np.ndarray, depth: int, one_line: bool = False) -> bytes:
    """The text of an array.

    Args:
        name: Of the output.
        array: Of any rank.
        depth: Number of objects and arrays around it.
        one_line: Whether its arrays are written on one line.
    """
    if array.ndim == 0:
        return _text(name, array[np.newaxis], depth - 1, one_line)[1:-1].strip()
    if not array.size:
        empty = json.dumps(array.tolist(), indent=None if one_line else 4)
        return empty.encode().replace(b"\n", _line(depth))
    values, others = _leaves(name, array, depth + array.ndim)
    values = np.ascontiguousarray(values if one_line else values.ravel())
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    # It writes null for NaN; one byte is found faster.
    text = text.replace(b"null", b"?")
    text = text.replace(b",", b", ") if one_line else _spread(text, array.shape, depth)
    pieces = zip(text.split(b"?"), [*others, b""], strict=True)
    return b"".join(chain.from_iterable(pieces))


def _spread(text: bytes, shape: tuple[int, ...], depth: int) -> bytes:
    """The text of a flat array in another shape, its values and brackets on lines."""
    # By how many arrays end behind each value; no byte of JSON numbers.
    codes = np.full(math.prod(shape), 0x80, np.uint8)
    begin = end = b""
    separators = []
    size = 1
    for i in range(len(shape), 0, -1):
        separators.append(end + b"," + _line(depth + i) + begin)
        begin = b"[" + _line(depth + i) + begin
        end += _line(depth + i - 1) + b"]"
        size *= shape[i - 1]
        codes[size - 1 :: size] += 1
    characters = np.frombuffer(bytearray(text[1:-1]), np.uint8)
    characters[characters == ord(",")] = codes[:-1]
    text = characters.tobytes()
    for ends, separator in reversed([*enumerate(separators)]):
        text = text.replace(bytes([0x80 + ends]), separator)
    return begin + text + end


def _leaves(name: str, array: np.ndarray, depth: int) -> tuple[np.ndarray, list[bytes]]:
    """An array for orjson, and the texts of what it is not to write: NaN there."""
    dtype = array.dtype.name
    if dtype in _INTEGERS or dtype == "bool":
        return array, []
    if dtype in ("float32", "float64"):
        values = plain_doubles(array)
        digits = 9 if dtype == "float32" else 17
        others = array[np.isnan(values)].tolist()
        return values, [decimal_text(value, digits).encode() for value in others]
    if dtype != "object":
        raise invalid(f"Failed to write JSON value for tensor type: {cpp_name(dtype)}")
    values = np.full(array.shape, np.nan)
    if not name.endswith("_bytes"):
        return values, [_quoted(value) for value in array.flat]
    begin, end = b"{" + _line(depth + 1) + b'"b64": "', b'"' + _line(depth) + b"}"
    return values, [begin + base64.b64encode(value) + end for value in array.flat]


def _quoted(value: bytes) -> bytes:
    """A JSON string; bytes that are not UTF-8 stay as they are."""
    text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")
