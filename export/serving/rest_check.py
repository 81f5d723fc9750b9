"""Why JSON values do not fit a signature, in TensorFlow Serving's words and order.

These functions look at one value after another: they are only called for requests
whose arrays could not be built at once.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.serving.models import MAX_RANK
from export.serving.rest_parser import Infinite
from export.serving.rest_values import cpp_name, shown, type_error
from export.serving.status import Code, ServingError, invalid

# Integers of up to 32 bits are all checked as int32.
INTEGERS: Mapping[str, type[np.integer]] = {
    **dict.fromkeys(("int8", "uint8", "int16", "int32"), np.int32),
    "uint32": np.uint32,
    "int64": np.int64,
    "uint64": np.uint64,
}
TYPES: Mapping[str, set[type]] = {
    **{name: {int} for name in INTEGERS},
    "float32": {int, float, Infinite},
    "float64": {int, float, Infinite},
    "bool": {bool},
    "string": {str, dict},
}
"""What the JSON values of each dtype are in Python; a dict is {"b64": ...}."""
_TOO_DEEP = f"A tensor has at most {MAX_RANK} dimensions"


def is_base64(value: object) -> bool:
    """Returns whether a value is {"b64": string}."""
    return (
        isinstance(value, dict)
        and len(value) == 1
        and isinstance(value.get("b64"), str)
    )


def is_named(element: object) -> bool:
    """Returns whether an element of 'instances' is an object of named inputs."""
    return isinstance(element, dict) and not is_base64(element)


def check_rows(instances: list[Any], dtypes: Mapping[str, str]) -> None:
    """Checks the elements of 'instances'.

    Args:
        instances: At least one.
        dtypes: Input name -> dtype of the signature.

    Raises:
        ServingError: They do not fit.
    """
    if not isinstance(instances[0], dict) and len(dtypes) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    named = is_named(instances[0])
    shapes: dict[str, list[int]] = {}
    for i, element in enumerate(instances):
        if is_named(element) != named:
            expected = "object but got list" if named else "value/list but got object"
            raise invalid(f"Expecting {expected} at item {i} of input list")
        if not named:
            _check_item(element, min(dtypes), dtypes, shapes, f"element: {i}")
            continue
        for name, value in element.items():
            _check_item(value, name, dtypes, shapes, f"element: {i} key: {name}")
        if set(element) != set(dtypes):
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. JSON object: "
                f"{shown(element)} keys must be equal to: {','.join(sorted(dtypes))}"
            )


def check_tensor(value: object, dtype: str) -> list[int]:
    """Checks a value that is to become a tensor.

    Args:
        value: A scalar or nested lists.
        dtype: Of the tensor.

    Returns:
        Its shape.

    Raises:
        ServingError: It is none of that dtype.
    """
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > MAX_RANK:
        raise invalid(_TOO_DEEP)
    _check_level(value, 0, shape, dtype)
    if dtype not in TYPES:
        raise _unsupported(value, dtype)
    return shape


def _check_item(
    value: object,
    name: str,
    dtypes: Mapping[str, str],
    shapes: dict[str, list[int]],
    place: str,
) -> None:
    try:
        if name not in dtypes:
            raise invalid(f"JSON object: does not have named input: {name}")
        shape = check_tensor(value, dtypes[name])
        # The rows are one dimension more.
        if len(shape) == MAX_RANK:
            raise invalid(_TOO_DEEP)
        expected = shapes.setdefault(name, shape)
        size = math.prod(expected)
        if math.prod(shape) != size:
            raise invalid(f"Expecting tensor size: {size} but got: {math.prod(shape)}")
        if shape != expected:
            texts = (f"[{','.join(map(str, sizes))}]" for sizes in (expected, shape))
            raise invalid("Expecting shape {} but got: {}".format(*texts))
    except ServingError as error:
        raise invalid(
            f"Failed to process {place} of 'instances' list. "
            f"Error: {error.code.name}: {error.message}"
        ) from None


def _check_level(value: object, level: int, shape: list[int], dtype: str) -> None:
    """Checks a value and all in it."""
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        _check_scalar(value, dtype)
        return
    if level >= rank:
        raise invalid(
            f"Encountered list at unexpected level: {level} expected < {rank}"
        )
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _check_level(item, level + 1, shape, dtype)


def _check_scalar(value: Any, dtype: str) -> None:
    if dtype not in TYPES:
        raise _unsupported(value, dtype)
    if dtype == "string" and is_named(value):
        raise invalid(
            f"JSON Value: {shown(value)} not formatted correctly for base64 data"
        )
    fits = type(value) in TYPES[dtype]
    if fits and dtype in INTEGERS:
        limits = np.iinfo(INTEGERS[dtype])
        fits = limits.min <= value <= limits.max
    if not fits:
        raise type_error(value, dtype)


def _unsupported(value: object, dtype: str) -> ServingError:
    return ServingError(
        Code.UNIMPLEMENTED,
        f"Conversion of JSON Value: {shown(value)} to type: {cpp_name(dtype)}",
    )
