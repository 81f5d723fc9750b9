"""JSON values as TensorFlow Serving's error messages show them."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from export.serving.rest_numbers import decimal_text
from export.serving.status import ServingError, invalid

# Characters of a value that a message shows; TensorFlow Serving shows all of them.
_SHOWN = 1000
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}
_TYPES = {dict: "Object", list: "Array", str: "String", type(None): "Null"}


def cpp_name(dtype: str) -> str:
    """Returns the C++ name of a dtype, which messages use."""
    return _CPP_NAMES.get(dtype, dtype)


def json_type(value: Any) -> str:
    """Returns the name of a JSON value's type: "Object", "True", "Number", ..."""
    if isinstance(value, bool):
        return str(value)
    return _TYPES.get(type(value), "Number")


def shown(value: Any) -> str:
    """Returns a JSON value's text, indented by 4; of a long one the beginning."""
    if isinstance(value, float):
        is_wide = math.isfinite(value) and abs(value) > _LARGEST_FLOAT
        return decimal_text(value, 17) if is_wide else decimal_text(np.float32(value))
    parts, length = [], 0
    for part in _texts(value):
        parts.append(part)
        length += len(part)
        if length > _SHOWN:
            return "".join(parts)[:_SHOWN] + "..."
    return "".join(parts)


def type_error(value: Any, expected: str) -> ServingError:
    """Returns the error for a value of the wrong type.

    Args:
        value: What was received.
        expected: The dtype that is allowed.
    """
    return invalid(
        f"JSON Value: {shown(value)} Type: {json_type(value)} "
        f"is not of expected type: {cpp_name(expected)}"
    )


def _texts(value: Any) -> Iterator[str]:
    """The pieces of a value's text; nesting may be deeper than Python's stack."""
    stack = [iter([("", value)])]
    ends: list[str] = []
    while stack:
        prefix, item = next(stack[-1], (None, None))
        if prefix is None:
            stack.pop()
            if ends:
                yield "\n" + "    " * (len(ends) - 1) + ends.pop()
            continue
        yield prefix
        if not isinstance(item, dict | list) or not item:
            yield _scalar(item)
            continue
        is_object = isinstance(item, dict)
        yield "{" if is_object else "["
        ends.append("}" if is_object else "]")
        stack.append(_children(item, len(ends)))


def _children(
    container: dict[str, Any] | list[Any], depth: int
) -> Iterator[tuple[str, Any]]:
    line = "\n" + "    " * depth
    comma = ""
    is_object = isinstance(container, dict)
    for child in container:
        name = f"{_scalar(child)}: " if is_object else ""
        yield f"{comma}{line}{name}", container[child] if is_object else child
        comma = ","


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        # The beginning is enough: no more of it is ever shown.
        value = value[: _SHOWN + 1].encode("utf-8", "surrogateescape")
        value = value.decode("utf-8", "replace")
    return json.dumps(value, ensure_ascii=False)
