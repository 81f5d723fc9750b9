"""Broken JSON for every signature of the served models: bytes, values, shapes."""

import base64
import copy
import json
import random
from typing import Any

from tests.export.serving.fuzz import Http
from tests.export.serving.fuzz_http import request
from tests.export.serving.fuzz_images import PNG

PIXEL = [0.5, -0.5, 0.0]
PHOTO = [[PIXEL] * 4] * 4
FILE = {"b64": base64.b64encode(PNG).decode()}
BASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("photo", {"instances": [PHOTO]}),
    ("photo", {"inputs": {"image": [PHOTO]}}),
    ("photo", {"signature_name": "encoded", "instances": [FILE]}),
    ("photo", {"signature_name": "encoded", "inputs": {"image_bytes": [FILE, FILE]}}),
    ("half", {"instances": [1.0, 2.0]}),
    ("half", {"signature_name": "serving_default", "inputs": {"x": [[1.0], [2.5]]}}),
    ("mixed", {"instances": [{"text": "a", "times": 1}, {"text": "b", "times": 2}]}),
    ("mixed", {"inputs": {"text": ["a", {"b64": "/w=="}], "times": [1, 2]}}),
    ("mixed", {"signature_name": "scalar", "inputs": "text"}),
)
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e300, 2**31, 2**63, -(2**70), 10**400, "", "x"),
    *("☃", "\0", "a" * 5000, [], {}, [[]], [[], [1]], [None], [[1], [2, 3]], {"": ""}),
    *({"b64": 5}, {"b64": "!"}, {"b64": ""}, {"b64": "AAAA", "x": 1}, {"b64": None}),
    *({"b64": "-_-_"}, {"image": []}, {"text": {}}, [[[[[[[[1]]]]]]]], float("nan")),
    *(float("inf"), -float("inf"), "NaN", [1, "1"], [1, [1]], [[1], 1], [{}, 1]),
)
TOKENS = (
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"NaN", b"Infinity", b"-", b"+"),
    *(b"-Infinity", b"Inf", b"1e999", b"-1e-9999", b"9" * 400, b"0.0.0", b"0x1", b"01"),
    *(b"1e", b".5", b"5.", b"true", b"nul", b"undefined", b"//x", b"/*x*/", b"\0"),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"\\ud800"',
        b'"\\u00"',
        b'"\\x"',
        b"'a'",
        b"\x1f",
    ),
    *(b'"instances": 1,', b'"inputs": 1,', b'"b64": "x",', b"\xed\xa0\x80", b"\t\r\n"),
)
DOCUMENTS = (
    *(
        b"",
        b" ",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"[]",
        b"{",
        b"}",
        b"[1",
        b"{}",
        b"{]",
    ),
    *(b'{"instances"', b'{"instances": []}', b'{"inputs": []', b"\0", b"\xff", b"nope"),
    *(b'{"instances": [1], "inputs": [1]}', b'{"instances": {}}', b'{"instances": 1}'),
    *(b'{"instances": null}', b'{"signature_name": 1, "instances": [1]}', b"[" * 1000),
    *(b'{"signature_name": null, "instances": [1]}', b'{"instances": [[1], [1, 2]]}'),
    *(b'{"signature_name": "\\u0000", "instances": [1]}', b'{"\xff": 1}', b"{'a': 1}"),
    *(b'{"signature_name": "' + b"n" * 100_000 + b'", "instances": [1]}', b"{{{{"),
    json.dumps({"instances": [1]}).encode("utf-16"),
    json.dumps({"instances": [1]}).encode("utf-32-be"),
)


def predict(
    kind: str, model: str, body: bytes | dict[str, Any], harmless: bool = False
) -> Http:
    """Returns a request to predict.

    Args:
        kind: Of attack.
        model: Name.
        body: JSON, or what is said to be.
        harmless: It may be a valid request by chance.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Http(kind, request(f"/v1/models/{model}:predict", raw), harmless)


def bytes_changed(rng: random.Random) -> Http:
    """Bits flipped, tokens put in, parts left out or doubled."""
    model, body = rng.choice(BASES)
    text = bytearray(json.dumps(body).encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        match rng.randrange(4):
            case 0:
                text[at] ^= 1 << rng.randrange(8)
            case 1:
                text[at:at] = rng.choice(TOKENS)
            case 2 if len(text) > 20:
                del text[at : at + rng.randint(1, 10)]
            case _:
                text[at:at] = text[at : at + rng.randint(1, 30)]
    return predict("json bytes", model, bytes(text), harmless=True)


def truncated(rng: random.Random) -> Http:
    """The beginning of a request."""
    model, body = rng.choice(BASES)
    text = json.dumps(body).encode()
    return predict("json truncated", model, text[: rng.randrange(len(text))])


def document(rng: random.Random) -> Http:
    """What is no request of any model's."""
    model = rng.choice(("photo", "half", "mixed"))
    return predict("json document", model, rng.choice(DOCUMENTS))


def value_changed(rng: random.Random) -> Http:
    """A value somewhere in a good request replaced by another."""
    model, body = rng.choice(BASES)
    changed = _apart(body)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _replace(rng, changed)
    text = json.dumps(changed).encode()
    if rng.random() < 0.2:  # Names told twice.
        key = rng.choice(list(body))
        twice = json.dumps({key: rng.choice(JUNK)}).encode()
        text = b"{" + twice[1:-1] + b", " + text[1:]
    return predict("json value", model, text, harmless=True)


def deep(rng: random.Random) -> Http:
    """Nested deeper than a tensor can be, and than recursion reaches."""
    depth = rng.choice((300, 1000, 5000, 100_000, 500_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
    depth = min(depth, 1_500_000 // len(opening))
    middle = rng.choice((b"", b"1", b"[]")) if opening == b"[" else b"1"
    nest = opening * depth + middle + closing * (depth if rng.random() < 0.6 else 0)
    where = rng.choice((b'{"instances": %b}', b'{"inputs": %b}', b'{"inputs": [%b]}'))
    model = rng.choice(("photo", "half", "mixed"))
    return predict("json deep", model, where % nest)


def numbers(rng: random.Random) -> Http:
    """Numbers that hold too much, or are none."""
    huge = ("1" * 5000, "1e999999999", "-1e400", "1" * 400_000, "1e-400", "1.7e308")
    odd = ("NaN", "Infinity", "-Infinity", "-0", "1E+2", "0e0", "00", "1_000", "0b1")
    shown = rng.choice((*huge, *odd, str(2**31), str(-(2**31) - 1), "1.0", "1e0", "-"))
    model, body = rng.choice(
        (
            ("half", '{"instances": [%s]}'),
            ("half", '{"inputs": [[1], [%s]]}'),
            ("mixed", '{"instances": [{"text": "a", "times": %s}]}'),
            ("photo", '{"instances": [[[[%s, 0, 0]]]]}'),
        )
    )
    return predict("json number", model, (body % shown).encode(), harmless=True)


def wrong_rank(rng: random.Random) -> Http:
    """Arrays of a rank or number of channels that the signature does not have."""
    row = rng.random() < 0.5
    match rng.randrange(3):
        case 0:  # float32 [N, H, W, 3]
            model, name, shape = "photo", "serving_default", _wrong_image(rng)
        case 1:  # string [N]
            model, name = "photo", "encoded"
            shape = rng.choice(((), (1, 1), (2, 3), (1, 2, 1, 1), (1, 0)))
        case _:  # float32 [N]
            model, name = "half", "narrow"
            shape = rng.choice(((), (2, 2), (1, 1, 1), (1,) * 8, (1,) * 200))
    leaf: Any = FILE if name == "encoded" else 0.25
    value = _filled(shape, leaf)
    if row and isinstance(value, list) and value:
        body: dict[str, Any] = {"signature_name": name, "instances": value}
    else:
        body = {"signature_name": name, "inputs": value}
    return predict("rank", model, body)


def ragged(rng: random.Random) -> Http:
    """Lists that are of no one size."""
    photo = _apart([PHOTO] * rng.randint(1, 3))
    level: Any = photo
    for _ in range(rng.randint(2, 3)):  # A row or a pixel; less would be a size.
        level = rng.choice(level)
    match rng.randrange(4):
        case 0:
            level.pop()
        case 1:
            level.append(0.5)
        case 2:
            level[rng.randrange(len(level))] = [[[0.5]]]
        case _:
            level.insert(0, [])
    key = rng.choice(("instances", "inputs"))
    return predict("ragged", "photo", {key: photo})


def _apart(value: Any) -> Any:
    """A copy in which no list is the same as another, as `copy.deepcopy`'s may be."""
    return json.loads(json.dumps(value))


def _wrong_image(rng: random.Random) -> tuple[int, ...]:
    shapes = ((), (3,), (4, 3), (4, 4, 3), (1, 1, 4, 4, 3), (1, 4, 4, 1), (1, 4, 4, 4))
    empty = ((0,), (1, 0, 4, 3), (1, 4, 0, 3), (1, 4, 4, 0), (1, 1, 1, 1, 1, 1, 3))
    return rng.choice((*shapes, *empty, (1,) * 100, (1,) * 255, (1,) * 300))


def _filled(shape: tuple[int, ...], leaf: Any) -> Any:
    value = leaf
    for size in reversed(shape):
        value = [value] * size
    return value


def _replace(rng: random.Random, body: dict[str, Any]) -> None:
    parent: Any = body
    while True:
        key = rng.choice(
            list(parent) if isinstance(parent, dict) else range(len(parent))
        )
        child = parent[key]
        if not isinstance(child, dict | list) or not child or rng.random() < 0.35:
            break
        parent = child
    if isinstance(parent, dict) and rng.random() < 0.2:
        parent[rng.choice(("", "x", "b64", "instances", "inputs", "☃"))] = parent.pop(
            key
        )
    else:
        parent[key] = copy.deepcopy(rng.choice(JUNK))
