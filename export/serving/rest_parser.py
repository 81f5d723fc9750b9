"""JSON documents as TensorFlow Serving reads them, with Python's own parser."""

import json
import math
import re
from typing import Any

import numpy as np

from export.serving.status import ServingError, invalid

# Twice what an array can have.
_MAX_DEPTH = 64
_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_QUOTED = re.compile(rb'"[^"]*"?')
_NO_BRACKETS = bytes(set(range(256)) - set(b'[{}]"'))
_STEPS = bytes.maketrans(b"[{}]", b"\x01\x01\xff\xff")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<alone>u[dD][89a-fA-F])|.)", re.DOTALL
)
# What Python does not support: in a whole document, outside its strings.
_NOT_FINITE = re.compile(r"(-?)Inf(?!inity)|-NaN")
_NOT_FINITE_OR_STRING = re.compile(
    rf'"(?:[^"\\]+|\\.)*+"?|{_NOT_FINITE.pattern}', re.DOTALL
)
_BEGUN = re.compile(r"-|t(?:ru?)?|f(?:al?s?)?|n(?:ul?)?|")
_REASONS = {
    "Expecting value": "Invalid value.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting property name enclosed in double quotes": "Missing a name for object "
    "member.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}
_UNFINISHED = {".": "fraction part", "e": "exponent", "E": "exponent"}
_UNSEPARATED = {
    "[": "Missing a comma or ] after an array element.",
    "{": "Missing a comma or } after an object member.",
}


class Infinite(float):
    """An infinity that the document names, unlike a number too large for a double."""


def parse(body: bytes) -> Any:
    """Parses a document; what follows it is ignored.

    Args:
        body: JSON in UTF-8. Bytes that are not UTF-8 are kept, as surrogates.

    Returns:
        The value. If an object has a name twice, the first one counts.

    Raises:
        ServingError: The body is not JSON.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    steps = np.frombuffer(_brackets(body).translate(_STEPS), np.int8)
    if steps.cumsum(dtype=np.int32).max(initial=0) > _MAX_DEPTH:
        raise invalid(
            f"JSON Parse error: Values are nested more than {_MAX_DEPTH} deep."
        )
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if "\\u" in text and _SURROGATE.search(text):
        for escape in _ESCAPE.finditer(text):
            if escape["alone"]:
                reason = "The surrogate pair in string is invalid."
                raise _parse_error(text, reason, escape.start())
    return _read(text)


def too_big() -> ServingError:
    """Returns the error for a number that is too large for a double."""
    return invalid("JSON Parse error: Number too big to be stored in double.")


def _brackets(body: bytes) -> bytes:
    """The brackets and braces of a document that are not in its strings."""
    if b"\\" in body:
        body = _ESCAPED.sub(b"", body)
    return _QUOTED.sub(b"", body.translate(None, _NO_BRACKETS))


def _read(text: str) -> Any:
    try:
        return _DECODER.raw_decode(text, _end_of(_SPACE, text))[0]
    except json.JSONDecodeError as error:
        if not _NOT_FINITE.match(text, error.pos):
            raise _translated(text, error) from None
    except ValueError:
        # Python does not convert integers of thousands of digits.
        raise too_big() from None
    return _read(_NOT_FINITE_OR_STRING.sub(_known_to_python, text))


def _end_of(pattern: re.Pattern[str], text: str, at: int = 0) -> int:
    """Where a match that begins at `at` ends; there, where nothing matches."""
    found = pattern.match(text, at)
    return found.end() if found else at


def _known_to_python(match: re.Match[str]) -> str:
    if match[0].startswith('"'):
        return match[0]
    return "NaN" if match[1] is None else f"{match[1]}Infinity"


def _translated(text: str, error: json.JSONDecodeError) -> ServingError:
    """Python's parser error in TensorFlow Serving's words."""
    at = error.pos
    reason = _REASONS.get(error.msg, error.msg)
    if error.msg == "Expecting value":
        at = _end_of(_BEGUN, text, at)
        if not text.strip():
            reason = "The document is empty."
    elif error.msg == "Invalid \\uXXXX escape":
        at -= 1
    elif error.msg == "Expecting ',' delimiter":
        unfinished = _UNFINISHED.get(text[at : at + 1])
        if unfinished and text[at - 1].isdigit():
            return _parse_error(text, f"Miss {unfinished} in number.", at + 1)
        reason = _UNSEPARATED[_innermost(text[:at])]
    return _parse_error(text, reason, at)


def _innermost(text: str) -> str:
    """The bracket or brace left open at the end of a text."""
    closed = 0
    for bracket in reversed(_brackets(text.encode("utf-8", "surrogateescape"))):
        closed += 1 if bracket in b"]}" else -1
        if closed < 0:
            return chr(bracket)
    return "["


def _parse_error(text: str, reason: str, position: int) -> ServingError:
    offset = len(text[:position].encode("utf-8", "surrogateescape"))
    return invalid(f"JSON Parse error: {reason} at offset: {offset}")


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


def _constant(name: str) -> float:
    return math.nan if name == "NaN" else Infinite(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_constant=_constant)
