"""JSON documents as TensorFlow Serving reads them.

Python's own parser does the work. What it refuses ("Inf", "-NaN", errors that must be
named as TensorFlow Serving names them) is read by the parser of this module, which is
slow.
"""

import json
import math
import re
import time
from typing import Any

from export.serving.status import Code, ServingError, invalid

# Twice what an array can have. Python's parser sees only what exceeds its own stack.
_MAX_DEPTH = 64
_TOO_DEEP = f"Values are nested more than {_MAX_DEPTH} deep."
# Characters of a document whose errors are worth the slow parser's time.
_SHORT = 2**18
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"\.[0-9]+")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+")
_NOT_FINITE = re.compile(r"(-?)(NaN|Inf(?:inity)?)")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = {**{c: c for c in '"\\/'}, "b": "\b", "f": "\f", "n": "\n"}
_ESCAPES.update(r="\r", t="\t")


class Infinite(float):
    """An infinity that the document names, unlike a number too large for a double."""


def parse(body: bytes, deadline: float = math.inf) -> Any:
    """Parses a document; what follows it is ignored.

    Args:
        body: JSON in UTF-8. Bytes that are no UTF-8 are kept, as surrogates.
        deadline: By `time.monotonic()`: when the answer is of no use any more.

    Returns:
        The value. Of a name that an object has twice, the first one counts.

    Raises:
        ServingError: The body is no JSON.
    """
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    if not ("\\u" in text and _SURROGATE.search(text)):
        try:
            return _DECODER.raw_decode(text, _SPACE.match(text).end())[0]
        except RecursionError:
            raise invalid(f"JSON Parse error: {_TOO_DEEP}") from None
        except json.JSONDecodeError as error:
            if len(text) > _SHORT and not _NOT_FINITE.match(text, error.pos):
                raise _parse_error(text, error.msg, error.pos) from None
        except ValueError:
            # Python converts no integer of thousands of digits.
            raise invalid(
                "JSON Parse error: Number too big to be stored in double."
            ) from None
    return _Parser(text, deadline).parse()


def _parse_error(text: str, reason: str, position: int) -> ServingError:
    offset = len(text[:position].encode("utf-8", "surrogateescape"))
    return invalid(f"JSON Parse error: {reason} at offset: {offset}")


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


def _constant(name: str) -> float:
    return math.nan if name == "NaN" else Infinite(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_constant=_constant)


class _Parser:
    """Reads one document with a stack of its own.

    Args:
        text: The document.
        deadline: By `time.monotonic()`.
    """

    def __init__(self, text: str, deadline: float) -> None:
        # The end is found without looking for it.
        self._text = f"{text}\0"
        self._deadline = deadline
        self._at = 0
        self._values = 0
        self._open: list[list[Any] | dict[str, Any]] = []
        # The names of members whose values are being read.
        self._names: list[str] = []

    def parse(self) -> Any:
        if self._skip() == "\0":
            raise self._error("The document is empty.")
        while True:
            value, is_whole = self._begin()
            if is_whole:
                value, is_whole = self._finish(value)
            if is_whole:
                return value

    def _begin(self) -> tuple[Any, bool]:
        """Reads a scalar, an empty container or the beginning of others."""
        character = self._text[self._at]
        while character == "[":
            self._at += 1
            self._push([])
            character = self._skip()
            if character == "]":
                self._at += 1
                return self._open.pop(), True
        if character != "{":
            self._count()
            return self._scalar(character), True
        self._at += 1
        if self._skip() == "}":
            self._at += 1
            return {}, True
        self._push({})
        self._name()
        return None, False

    def _push(self, container: list[Any] | dict[str, Any]) -> None:
        self._count()
        self._open.append(container)
        if len(self._open) > _MAX_DEPTH:
            raise self._error(_TOO_DEEP)

    def _count(self) -> None:
        self._values += 1
        if self._values % 2**14 == 0 and time.monotonic() > self._deadline:
            raise ServingError(Code.DEADLINE_EXCEEDED, "Parsing took too long.")

    def _finish(self, value: Any) -> tuple[Any, bool]:
        """Puts a whole value where it belongs.

        Returns:
            The whole document and True, or False where another value follows.
        """
        while self._open:
            container = self._open[-1]
            if type(container) is list:
                container.append(value)
                end = "]"
            else:
                container.setdefault(self._names.pop(), value)
                end = "}"
            character = self._skip()
            if character == ",":
                self._at += 1
                self._skip()
                if end == "}":
                    self._name()
                return None, False
            if character != end:
                place = "] after an array element"
                if end == "}":
                    place = "} after an object member"
                raise self._error(f"Missing a comma or {place}.")
            self._at += 1
            value = self._open.pop()
        return value, True

    def _name(self) -> None:
        if self._text[self._at] != '"':
            raise self._error("Missing a name for object member.")
        self._names.append(self._string())
        if self._skip() != ":":
            raise self._error("Missing a colon after a name of object member.")
        self._at += 1
        self._skip()

    def _scalar(self, character: str) -> Any:
        if character == '"':
            return self._string()
        for name, value in (("null", None), ("true", True), ("false", False)):
            if character == name[0]:
                return self._literal(name, value)
        match = _NOT_FINITE.match(self._text, self._at)
        if match:
            self._at = match.end()
            if match[2] == "NaN":
                return math.nan
            return Infinite(f"{match[1]}inf")
        return self._number()

    def _literal(self, name: str, value: Any) -> Any:
        for expected in name:
            if self._text[self._at] != expected:
                raise self._error("Invalid value.")
            self._at += 1
        return value

    def _number(self) -> int | float:
        text, start = self._text, self._at
        match = _NUMBER.match(text, start)
        if match is None:
            self._at += text.startswith("-", start)
            raise self._error("Invalid value.")
        self._at = match.end()
        for pattern, first, missing in (
            (_FRACTION, ".", "Miss fraction part in number."),
            (_EXPONENT, "eE", "Miss exponent in number."),
        ):
            if text[self._at] in first:
                part = pattern.match(text, self._at)
                if part is None:
                    self._at += 1
                    raise self._error(missing)
                self._at = part.end()
        value = float(text[start : self._at])
        if math.isinf(value):
            self._at = start
            raise self._error("Number too big to be stored in double.")
        return value if self._at > match.end() else int(match[0])

    def _string(self) -> str:
        text, start = self._text, self._at
        self._at += 1
        parts = []
        while True:
            match = _PLAIN.match(text, self._at)
            parts.append(match[0])
            self._at = match.end()
            character = text[self._at]
            if character == "\\":
                parts.append(self._escape())
            elif character == '"':
                self._at += 1
                return "".join(parts)
            elif character == "\0":
                self._at = start
                raise self._error("Missing a closing quotation mark in string.")
            else:
                raise self._error("Invalid encoding in string.")

    def _escape(self) -> str:
        """Reads an escape sequence; a pair of surrogates is one."""
        start = self._at
        character = self._text[start + 1]
        self._at += 2
        if character != "u":
            if character not in _ESCAPES:
                self._at = start
                raise self._error("Invalid escape character in string.")
            return _ESCAPES[character]
        unit = self._hex(start)
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit)
        low = 0
        if unit <= 0xDBFF and self._text.startswith("\\u", self._at):
            self._at += 2
            low = self._hex(start)
        if not 0xDC00 <= low <= 0xDFFF:
            self._at = start
            raise self._error("The surrogate pair in string is invalid.")
        return chr(0x10000 + ((unit - 0xD800) << 10) + low - 0xDC00)

    def _hex(self, start: int) -> int:
        match = _HEX.match(self._text, self._at)
        if match is None:
            self._at = start
            raise self._error("Incorrect hex digit after \\u escape in string.")
        self._at = match.end()
        return int(match[0], 16)

    def _skip(self) -> str:
        """Goes past white space; the character there, NUL at the end."""
        character = self._text[self._at]
        if character in " \t\n\r":
            self._at = _SPACE.match(self._text, self._at).end()
            character = self._text[self._at]
        return character

    def _error(self, reason: str) -> ServingError:
        return _parse_error(self._text, reason, self._at)
