"""JSON <-> arrays of the REST API; the numbers are those of the reference cases."""

import json
from typing import Any

import numpy as np
import pytest

from export.serving import rest
from export.serving.status import Code, ServingError

FLOAT = {"x": "float32"}
INT = {"x": "int32"}
STRING = {"x": "string"}


def decode(body: str, dtypes: dict[str, str]) -> tuple[dict[str, np.ndarray], bool]:
    return rest.decode_inputs(rest.parse_body(body.encode()), dtypes)


def error(body: str, dtypes: dict[str, str]) -> ServingError:
    with pytest.raises(ServingError) as caught:
        decode(body, dtypes)
    return caught.value


def encode(outputs: dict[str, np.ndarray], row: bool = True) -> Any:
    return json.loads(rest.encode_outputs(outputs, row))


def strings(values: Any) -> np.ndarray:
    return np.array(values, object)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("not json", "JSON Parse error"),
        ('{"instances": ' + "[" * 100_000, "JSON Parse error"),
        ('{"instances": [' + "1" * 5000 + "]}", "JSON Parse error"),
        ("[1]", "Type: Array is not of expected type: object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"inputs": [1], "instances": [1]}', "Only one of"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": 1}', "is not of expected type: list"),
        ('{"instances": ["x", "y"]}', "not of expected type: float"),
        ('{"instances": [true]}', "Type: Bool is not of expected type: float"),
        ('{"instances": [null]}', "Type: Null is not of expected type: float"),
        ('{"instances": [[1, 2], [3, 4], [5, 6, 7]]}', "Expecting tensor size: 2 but"),
        ('{"instances": [[1, 2], [[3], [4]]]}', "Expecting tensor shape"),
        ('{"inputs": [[1, 2], [3]]}', "unexpected size: 1"),
        ('{"inputs": [[1], 2]}', "incorrect level"),
        ('{"inputs": [1, [2]]}', "unexpected level"),
        ('{"instances": [1' + "0" * 400 + "]}", "Number too big"),
        ('{"instances": [{"b64": "aGVsbG8="}]}', "not of expected type: float"),
    ],
)
def test_malformed_requests(body: str, text: str) -> None:
    caught = error(body, FLOAT)
    assert text in caught.message
    assert caught.code == Code.INVALID_ARGUMENT


def test_a_bad_element_is_named() -> None:
    message = error('{"instances": [[1, 2], ["a", "b"]]}', INT).message
    assert message == (
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
        'JSON Value: "a" Type: String is not of expected type: int32'
    )


def test_row_and_columnar() -> None:
    inputs, row = decode('{"instances": [[1, 2.5], [NaN, -Infinity]]}', FLOAT)
    assert row
    assert inputs["x"].dtype == np.float32
    np.testing.assert_array_equal(inputs["x"], [[1, 2.5], [np.nan, -np.inf]])
    inputs, row = decode('{"inputs": 3}', FLOAT)
    assert not row
    assert inputs["x"].shape == ()
    inputs, _ = decode('{"inputs": {"x": [[]], "ignored": 1}}', FLOAT)
    assert inputs["x"].shape == (1, 0)


def test_a_single_input_may_be_named_in_a_row() -> None:
    inputs, _ = decode('{"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}', FLOAT)
    np.testing.assert_array_equal(inputs["x"], [[1, 2], [3, 4]])


def test_unknown_keys_and_trailing_text_are_ignored() -> None:
    inputs, _ = decode('{"instances": [1], "more": {"a": [[]]}} trailing', INT)
    np.testing.assert_array_equal(inputs["x"], [1])


def test_float_overflow_is_infinity() -> None:
    body = '{"instances": [1.7976931348623157e308, -1.7976931348623157e308, 5e-324]}'
    np.testing.assert_array_equal(decode(body, FLOAT)[0]["x"], [np.inf, -np.inf, 0.0])


@pytest.mark.parametrize(
    ("dtype", "literal"),
    [
        ("int32", "1.0"),
        ("int32", "2147483648"),
        ("uint8", "true"),
        ("uint32", "-1"),
        ("int64", "9223372036854775808"),
        ("bool", "1"),
        ("string", "1"),
    ],
)
def test_literals_of_the_wrong_type(dtype: str, literal: str) -> None:
    assert (
        "not of expected type"
        in error(f'{{"inputs": [{literal}]}}', {"x": dtype}).message
    )


def test_narrow_integers_are_checked_as_int32_and_cut_down() -> None:
    inputs, _ = decode('{"inputs": [255, 256, -1]}', {"x": "uint8"})
    assert inputs["x"].dtype == np.uint8
    np.testing.assert_array_equal(inputs["x"], [255, 0, 255])


def test_unsupported_input_types() -> None:
    assert error('{"inputs": [1]}', {"x": "float16"}).code == Code.UNIMPLEMENTED
    assert error('{"instances": [1]}', {"x": "bfloat16"}).code == Code.INVALID_ARGUMENT


def test_strings_and_base64() -> None:
    body = '{"instances": [["plain"], [{"b64": "aGVsbG8="}], ["\\u00e9"]]}'
    inputs, _ = decode(body, STRING)
    assert inputs["x"].tolist() == [[b"plain"], [b"hello"], ["é".encode()]]
    inputs, _ = decode('{"inputs": {"b64": "aGVsbG8"}}', STRING)
    assert inputs["x"].item() == b"hello"
    raw = rest.parse_body(b'{"inputs": ["\xff\x00"]}'.replace(b"\x00", b"\\u0000"))
    assert rest.decode_inputs(raw, STRING)[0]["x"].tolist() == [b"\xff\x00"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"b64": "a-_b"}', "base64"),
        ('{"b64": 1}', "not of expected type: string"),
        ('{"b64": "aa==", "x": 1}', "not of expected type: string"),
        ('"\\ud800"', "surrogate"),
    ],
)
def test_bad_strings(value: str, text: str) -> None:
    assert text in error(f'{{"inputs": [{value}]}}', STRING).message


def test_several_inputs() -> None:
    dtypes = {"b": "int32", "a": "string"}
    inputs, _ = decode('{"instances": [{"a": "x", "b": [1, 2]}]}', dtypes)
    assert inputs["a"].tolist() == [b"x"]
    assert inputs["b"].tolist() == [[1, 2]]
    inputs, _ = decode('{"inputs": {"a": ["x", "y"], "b": 3, "more": 1}}', dtypes)
    assert inputs["a"].shape == (2,)
    assert inputs["b"].shape == ()
    columnar = error('{"inputs": {"a": ["x"]}}', dtypes).message
    assert columnar == "Missing named input: b in 'inputs' object."
    missing = error('{"instances": [{"a": "x"}]}', dtypes).message
    assert "keys must be equal to: a,b" in missing
    extra = error('{"instances": [{"a": "x", "b": 1, "c": 1}]}', dtypes).message
    assert "JSON object: does not have named input: c" in extra
    assert "expected type: object" in error('{"instances": [1]}', dtypes).message


def test_signature_name() -> None:
    assert rest.signature_name({}) == "serving_default"
    assert rest.signature_name({"signature_name": "encoded"}) == "encoded"
    with pytest.raises(ServingError, match="must be a string"):
        rest.signature_name({"signature_name": 1})


def test_single_output_is_not_wrapped() -> None:
    y = np.array([2.5, 3.0], np.float32)
    assert encode({"y": y}) == {"predictions": [2.5, 3.0]}
    assert encode({"y": y}, row=False) == {"outputs": [2.5, 3.0]}


def test_several_outputs() -> None:
    outputs = {"y": np.array([1, 2], np.int64), "ok": np.array([True, False])}
    rows = [{"y": 1, "ok": True}, {"y": 2, "ok": False}]
    assert encode(outputs) == {"predictions": rows}
    assert encode(outputs, row=False) == {"outputs": {"y": [1, 2], "ok": [True, False]}}


def test_row_format_needs_one_batch_size() -> None:
    outputs = {"y": np.zeros(2, np.float32), "z": np.zeros(1, np.float32)}
    with pytest.raises(ServingError, match="inconsistent batch size"):
        rest.encode_outputs(outputs, row=True)
    assert encode(outputs, row=False) == {"outputs": {"y": [0.0, 0.0], "z": [0.0]}}
    with pytest.raises(ServingError, match="no batch dimension"):
        rest.encode_outputs({"y": np.float32(1)}, row=True)


def test_numbers_read_back_exactly_and_are_short() -> None:
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    values[:5] = [0.1, 1e-6, 3.4028235e38, 1e-45, -0.0]
    written = rest.encode_outputs({"y": values}, row=False)
    read = np.array(json.loads(written)["outputs"], np.float32)
    np.testing.assert_array_equal(read, values)
    assert written.startswith(b'{"outputs": [0.1, 1e-06, ')
    doubles = values.astype(np.float64) / 3
    assert encode({"y": doubles})["predictions"] == doubles.tolist()


def test_not_finite_numbers() -> None:
    y = np.array([[np.nan, np.inf], [3.0, -np.inf]], np.float32)
    written = rest.encode_outputs({"y": y}, row=True)
    assert written == b'{"predictions": [[NaN, Infinity], [3.0, -Infinity]]}'


def test_only_outputs_called_bytes_are_wrapped() -> None:
    values = strings([[b"hello", b"world"], [b"\xff", b""]])
    wrapped = encode({"y_bytes": values})["predictions"]
    assert wrapped == [
        [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
        [{"b64": "/w=="}, {"b64": ""}],
    ]
    assert rest.encode_outputs({"y": values}, row=True) == (
        b'{"predictions": [["hello", "world"], ["\xff", ""]]}'
    )


@pytest.mark.parametrize("dtype", ["complex64", "float16"])
def test_outputs_without_a_json_type(dtype: str) -> None:
    name = {"float16": "half"}.get(dtype, dtype)
    with pytest.raises(ServingError, match=f"for tensor type: {name}"):
        rest.encode_outputs({"y": np.zeros(1, dtype)}, row=False)
