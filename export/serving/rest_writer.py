"""Arrays -> the JSON that answers a request, laid out as TensorFlow Serving does.

Its layout is that of rapidjson's PrettyWriter: four spaces a level and, in row
format, the arrays of each example on one line.
"""

import base64
import json
from collections.abc import Mapping
from itertools import chain

import numpy as np

from export.serving.rest_numbers import decimal_text, float32_text
from export.serving.rest_values import cpp_name
from export.serving.status import invalid

_INTEGERS = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")
_LONGEST_MESSAGE = 4000
# Ends the rows of an array; no JSON holds it.
_ROW_END = b"\0"
# Behind a number: this plus the count of arrays that end there. No number holds it.
_END_CODE = 0x80


def encode_outputs(outputs: Mapping[str, np.ndarray], row: bool) -> bytes:
    """Writes the body of the answer to a predict request.

    Strings of outputs whose name ends in "_bytes" are written as {"b64": ...}, all
    others as they are.

    Args:
        outputs: The arrays by output name, in the order of the answer.
        row: Whether in row format ("predictions") or columnar ("outputs").

    Raises:
        ServingError: A dtype that JSON has no value for, or in row format outputs
            which differ in their first dimension.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if not row:
        return _columns(outputs)
    _check_rows(outputs)
    if len(outputs) > 1:
        return _objects(outputs)
    ((name, array),) = outputs.items()
    if not len(array):
        return _root("predictions", b"[]")
    rows = _array_text(name, array, 1, one_line=True)
    return _root("predictions", rows[:-1] + _line(1) + b"]")


def encode_error(message: str) -> bytes:
    """Writes the body of an answer that is an error.

    Args:
        message: May hold what the client sent; of a long one, the beginning is shown.
    """
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}..."
    text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _root("error", _quoted(text.encode()))


def _root(name: str, value: bytes) -> bytes:
    return b'{\n    "' + name.encode() + b'": ' + value + b"\n}"


def _line(depth: int) -> bytes:
    return b"\n" + b"    " * depth


def _columns(outputs: Mapping[str, np.ndarray]) -> bytes:
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return _root("outputs", _array_text(name, array, 1, one_line=False))
    members = [
        _line(2) + _quoted(name.encode()) + b": " + _array_text(name, array, 2, False)
        for name, array in outputs.items()
    ]
    return _root("outputs", b"{" + b",".join(members) + _line(1) + b"}")


def _objects(outputs: Mapping[str, np.ndarray]) -> bytes:
    """The rows of several outputs: an object for each."""
    count = len(next(iter(outputs.values())))
    if not count:
        return _root("predictions", b"[]")
    columns = []
    for name, array in outputs.items():
        start = _line(3) + _quoted(name.encode()) + b": "
        rows = _array_text(name, array, 2, True, _ROW_END)[1:-1].split(_ROW_END)
        columns.append([start + text for text in rows])
    rows = [
        _line(2) + b"{" + b",".join(members) + _line(2) + b"}"
        for members in zip(*columns, strict=True)
    ]
    return _root("predictions", b"[" + b",".join(rows) + _line(1) + b"]")


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


def _array_text(
    name: str,
    array: np.ndarray,
    depth: int,
    one_line: bool,
    between_rows: bytes | None = None,
) -> bytes:
    """The text of an array.

    Args:
        name: Of the output.
        array: Of any rank.
        depth: How many objects and arrays it is in.
        one_line: Whether its arrays are written on one line.
        between_rows: What stands between its elements, if not a comma.
    """
    if one_line and between_rows is None and array.dtype.name in _INTEGERS:
        # Python writes nested lists of integers just so.
        return repr(array.tolist()).encode()
    shape = list(array.shape)
    if 0 in shape:
        shape = shape[: shape.index(0)]
        texts = [b"[]"] * int(np.prod(shape))
    else:
        texts = None
    rank = len(shape)
    begin, separators, end = _brackets(rank, depth, one_line, between_rows)
    ends = _ends(shape)
    if array.dtype == np.float32 and texts is None:
        return begin + _float32(array, ends, separators) + end
    texts = texts or _leaf_texts(name, array, depth + rank)
    between = [separators[i] for i in ends[:-1].tolist()]
    pieces = chain.from_iterable(zip(texts, [*between, b""], strict=True))
    return begin + b"".join(pieces) + end


def _brackets(
    rank: int, depth: int, one_line: bool, between_rows: bytes | None
) -> tuple[bytes, list[bytes], bytes]:
    """What stands before, between and behind the values of an array.

    Returns:
        The beginning; the separators by how many arrays end there; the end.
    """
    # The indentation of an array's elements, by how many arrays they are in.
    lines = [b"" if one_line else _line(depth + i) for i in range(rank + 1)]
    comma = b", " if one_line else b","
    separators = []
    for outer in range(rank, 0, -1):
        closing = b"".join(lines[i] + b"]" for i in reversed(range(outer, rank)))
        opening = b"".join(b"[" + lines[i + 1] for i in range(outer, rank))
        separator = comma + lines[outer]
        if outer == 1 and between_rows is not None:
            separator = between_rows
        separators.append(closing + separator + opening)
    begin = b"".join(b"[" + lines[i + 1] for i in range(rank))
    end = b"".join(lines[i] + b"]" for i in reversed(range(rank)))
    return begin, separators, end


def _ends(shape: list[int]) -> np.ndarray:
    """For each value, how many arrays end behind it."""
    ends = np.zeros(int(np.prod(shape)), np.uint8)
    size = 1
    for length in reversed(shape):
        size *= length
        ends[size - 1 :: size] += 1
    return ends


def _float32(array: np.ndarray, ends: np.ndarray, separators: list[bytes]) -> bytes:
    text = float32_text(array.ravel(), ends + np.uint8(_END_CODE))[:-1]
    for ended, separator in enumerate(separators):
        text = text.replace(bytes([_END_CODE + ended]), separator)
    return text


def _leaf_texts(name: str, array: np.ndarray, depth: int) -> list[bytes]:
    dtype = array.dtype.name
    values = array.ravel().tolist()
    if dtype in _INTEGERS:
        return [b"%d" % value for value in values]
    if dtype == "bool":
        return [b"true" if value else b"false" for value in values]
    if dtype == "float64":
        return [decimal_text(value, 17).encode() for value in values]
    if dtype != "object":
        raise invalid(f"Failed to write JSON value for tensor type: {cpp_name(dtype)}")
    if not name.endswith("_bytes"):
        return [_quoted(value) for value in values]
    begin, end = b"{" + _line(depth + 1) + b'"b64": "', b'"' + _line(depth) + b"}"
    return [begin + base64.b64encode(value) + end for value in values]


def _quoted(value: bytes) -> bytes:
    """A JSON string; bytes that are no UTF-8 stay as they are."""
    text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")
