"""JSON values as TensorFlow Serving's error messages show them."""

import json

from export.serving.status import ServingError, invalid

# Characters of a value that a message shows; TensorFlow Serving shows all of them.
_SHOWN = 1000
_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}
_TYPES = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, indent=4)


def cpp_name(dtype: str) -> str:
    """Returns the C++ name of a dtype, which messages use."""
    return _CPP_NAMES.get(dtype, dtype)


def shown(value: object) -> str:
    """Returns a JSON value's text, indented by 4; of a long one, its beginning."""
    text = ""
    for part in _ENCODER.iterencode(value):
        text += part
        if len(text) > _SHOWN:
            text = text[:_SHOWN] + "..."
            break
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def type_error(value: object, expected: str) -> ServingError:
    """Returns the error for a value of the wrong type.

    Args:
        value: What was received.
        expected: The dtype that is allowed.
    """
    boolean = str(value) if isinstance(value, bool) else "Number"
    return invalid(
        f"JSON Value: {shown(value)} Type: {_TYPES.get(type(value), boolean)} "
        f"is not of expected type: {cpp_name(expected)}"
    )
