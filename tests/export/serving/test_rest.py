"""JSON <-> arrays of the REST API: what no single case shows."""

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from export.serving import rest, rest_parser, rest_writer
from export.serving.rest_check import check_rows, check_tensor
from export.serving.rest_numbers import decimal_text
from export.serving.rest_values import shown
from export.serving.status import ServingError

# More than an array can have.
NESTED = 60
# More than Python's stack can hold.
DEEP = 20_000


def decode(body: str | bytes, **dtypes: str) -> dict[str, np.ndarray]:
    body = body.encode() if isinstance(body, str) else body
    return rest.decode_inputs(rest.parse_body(body), dtypes)[0]


def printf(value: float, digits: int) -> str:
    """The text of a float32 (9) or a double (17), as the C++ source makes it."""
    text = f"{value:.6g}"
    read = np.float32(float(text)) if digits == 9 else float(text)
    if read != value:
        text = f"{value:.{digits}g}"
    return text if set(text) & set(".e") else text + ".0"


def texts_of(values: np.ndarray) -> list[str]:
    written = rest_writer.encode_outputs({"y": values}, row=True).decode()
    return written.partition("[")[2].partition("\n")[0].split(", ")


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.uint32, st.integers(1, 50)))
def test_every_float32_is_written_as_printf_does(bits: np.ndarray) -> None:
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    assume(len(values))
    assert texts_of(values) == [printf(value, 9) for value in values.tolist()]


def test_many_float32_of_images_are_written_as_printf_does() -> None:
    random = np.random.default_rng(0)
    images = np.tanh(random.normal(size=20_000)).astype(np.float32)
    levels = (np.arange(256) / 127.5 - 1).astype(np.float32)
    powers = np.array([10.0**e for e in range(-8, 10)], np.float32)
    near = [np.nextafter(powers, np.float32(d)) for d in (-np.inf, np.inf)]
    short = [0.1, 0.25, 1 / 3, 16777216, 999999.94, 8388607.5, 1e-45, 3.4028235e38, 0]
    values = np.concatenate([images, levels, powers, *near, np.array(short)])
    values = np.concatenate([values, -values]).astype(np.float32)
    assert texts_of(values) == [printf(value, 9) for value in values.tolist()]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_written_as_printf_does(value: float) -> None:
    assert decimal_text(value, 17) == printf(value, 17)
    assert float(decimal_text(value, 17)) == value


@given(st.lists(st.floats(), min_size=1))
def test_float64_survives_the_way_to_the_client(values: list[float]) -> None:
    written = rest_writer.encode_outputs({"y": np.array(values)}, row=True)
    np.testing.assert_array_equal(json.loads(written)["predictions"], values)


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.float32, arrays.array_shapes(max_dims=5, max_side=4)))
def test_float32_survives_the_way_there_and_back(y: np.ndarray) -> None:
    for row, key in ((True, "predictions"), (False, "outputs")):
        answer = rest_writer.encode_outputs({"y": y}, row)
        body = answer.replace(key.encode(), b"instances" if row else b"inputs")
        np.testing.assert_array_equal(decode(body, y="float32")["y"], y)


@given(arrays.arrays(np.int32, arrays.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_columns_are_laid_out_on_lines_and_rows_on_one(y: np.ndarray) -> None:
    columns = rest_writer.encode_outputs({"y": y}, row=False)
    assert columns.decode() == json.dumps({"outputs": y.tolist()}, indent=4)
    both = rest_writer.encode_outputs({"y": y, "z": y}, row=False)
    expected = {"outputs": dict.fromkeys("yz", y.tolist())}
    assert both.decode() == json.dumps(expected, indent=4)
    if y.ndim and len(y):
        rows = rest_writer.encode_outputs({"y": y}, row=True).decode()
        assert rows == f'{{\n    "predictions": {str(y.tolist())[:-1]}\n    ]\n}}'


def test_rows_of_several_outputs_keep_their_arrays_apart() -> None:
    outputs = {
        "image": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        "name": np.array([[b"a", b"\xff"], [b"[", b'"\x01']], object),
    }
    written = rest_writer.encode_outputs(outputs, row=True)
    read = json.loads(written.decode("utf-8", "surrogateescape"))["predictions"]
    assert [row["image"] for row in read] == outputs["image"].tolist()
    names = [
        [name.encode("utf-8", "surrogateescape") for name in row["name"]]
        for row in read
    ]
    assert names == outputs["name"].tolist()


def test_bytes_that_are_no_utf8_pass_both_ways() -> None:
    assert decode(b'{"inputs": ["\xff\\u0000"]}', x="string")["x"].tolist() == [
        b"\xff\x00"
    ]
    written = rest_writer.encode_outputs({"y": np.array([b"\xff"], object)}, row=True)
    assert b'["\xff"' in written


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, list | dict) and type(a) is type(b) and len(a) == len(b):
        if isinstance(a, dict):
            return all(key in b and same(a[key], b[key]) for key in a)
        return all(map(same, a, b))
    return a == b and isinstance(a, float) == isinstance(b, float)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_names_that_python_does_not_know_change_nothing_else(value: Any) -> None:
    text = json.dumps(["Inf", '\\"-NaN', value], ensure_ascii=False)
    read = rest_parser.parse(f"[-Inf, -NaN, Inf, {text}]x".encode())
    assert same(read, [-math.inf, math.nan, math.inf, json.loads(text)])


@settings(max_examples=200, deadline=None)
@given(
    json_values | st.lists(st.integers(0, 5) | st.lists(st.integers(0, 5))),
    st.sampled_from(["float32", "int32", "uint64", "bool", "string", "float16"]),
)
def test_arrays_are_built_just_where_no_check_objects(value: Any, dtype: str) -> None:
    refusals = []
    for check in (
        lambda: check_tensor(value, dtype),
        lambda: rest.decode_inputs({"inputs": {"x": value}}, {"x": dtype}),
        lambda: check_rows([value, value], {"x": dtype}),
        lambda: rest.decode_inputs({"instances": [value, value]}, {"x": dtype}),
    ):
        try:
            check()
            refusals.append(None)
        except ServingError as error:
            refusals.append(error.message)
    base64 = any(text and "base64 decode" in text for text in refusals)
    too_big = any(text and "Number too big" in text for text in refusals)
    if not (base64 or too_big):
        assert refusals[0] == refusals[1]
        assert refusals[2] == refusals[3]


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_nesting_deeper_than_a_tensor_is_refused(begin: str, end: str) -> None:
    nested = begin * NESTED + "1" + end * NESTED
    inputs = decode(f'{{"instances": [1], "nested": {nested}}}', x="int32")
    assert inputs["x"].tolist() == [1]
    for body, text in (
        (f'{{"instances": [{nested}]}}', "element: 0"),
        (f'{{"inputs": [{nested}]}}', "32 dim" if begin == "[" else "Type: Object"),
        (f'{{"instances": {nested}, "inputs": 1}}', "Not formatted correctly"),
        (f'{{"a": {begin * NESTED}', "JSON Parse error"),
        (f'{{"inputs": {begin * DEEP}1{end * DEEP}}}', "nested more than 64 deep"),
        (f'{{"inputs": [Inf, {begin * 64}1{end * 64}]}}', "nested more than 64 deep"),
    ):
        with pytest.raises(ServingError) as caught:
            decode(body, x="int32")
        assert text in caught.value.message
        assert len(caught.value.message) < 2000


@pytest.mark.parametrize("prefix", ["", "Inf, ", '"\\ud83d\\ude00", '])
def test_megabytes_of_nested_lists_are_refused_at_once(prefix: str) -> None:
    body = f'{{"instances": [{prefix}{"[" * 2**20}{"]" * 2**20}]}}'
    started = time.process_time()
    with pytest.raises(ServingError, match="nested more than 64 deep"):
        decode(body, x="float32")
    # A second and more without a limit of depth.
    assert time.process_time() - started < 0.5


def test_brackets_in_strings_are_no_depth() -> None:
    text = '\\"' + "[" * 100
    assert decode(json.dumps({"inputs": [text]}), x="string")["x"] == [text.encode()]


@pytest.mark.parametrize("text", ['\\"', "\\\\", "\\ud83d\\ude00", "[", "Inf", '", "'])
@pytest.mark.parametrize("end", ["", '"]}', '", 1'])
def test_megabytes_of_odd_strings_take_no_long(text: str, end: str) -> None:
    body = f'{{"inputs": [Inf, "{text * (2**20 // len(text))}{end}'.encode()
    started = time.process_time()
    with pytest.raises(ServingError):
        decode(body, x="float32")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('[{"a": "]"}, "[{" 1]', "Missing a comma or ] after an array element. at"),
        ('{"a": [1], "b": {} 2}', "Missing a comma or } after an object member. at"),
        ('["Inf", Inf, 1 2]', "Missing a comma or ] after an array element. at"),
        ("[1] 2", "Is not object"),
        ('{"a": "\\udc00"}', "The surrogate pair in string is invalid. at offset: 7"),
        ('{"a": "\n"}', "Invalid encoding in string. at offset: 7"),
        ('{"a": "x" .5}', "Missing a comma or } after an object member. at"),
        ("[" + "9" * 5000 + "]", "Number too big to be stored in double."),
    ],
)
def test_what_is_wrong_is_told(body: str, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        rest.parse_body(body.encode())
    assert text in caught.value.message


def test_errors_of_large_documents_are_found_fast() -> None:
    body = b'{"inputs": [' + b"1.5, " * 100_000 + b"]}"
    with pytest.raises(ServingError, match=r"JSON Parse error: .* at offset: 5000"):
        rest.parse_body(body)
    inputs = decode(body.replace(b"1.5, ]", b"Inf]"), x="float32")
    assert inputs["x"][-1] == np.inf


def test_long_values_are_cut_short() -> None:
    text = shown({"a": ["x" * 5000]})
    assert text.startswith('{\n    "a": [\n        "xxx')
    assert text.endswith("...")
    assert len(text) == 1003


def test_ranks_beyond_those_of_arrays_are_refused() -> None:
    nested = "[" * 33 + "1" + "]" * 33
    # The rows are one dimension, too.
    for body in (f'{{"inputs": {nested}}}', f'{{"instances": {nested}}}'):
        with pytest.raises(ServingError, match="at most 32 dimensions"):
            decode(body, x="int32")
    assert decode(f'{{"inputs": {"[" * 32}1{"]" * 32}}}', x="int32")["x"].ndim == 32
    deep = rest_writer.encode_outputs({"y": np.ones((1,) * 32, np.float32)}, row=True)
    assert json.loads(deep)["predictions"]
