"""The endpoint's own description."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from export.serving.models import Signature
from export.serving.openapi import request_schema
from export.signatures.examples import examples
from tests.export.serving.http import Client, serve


@pytest.fixture(scope="module")
def client(model_base: Path) -> Iterator[Client]:
    with serve(model_base) as served:
        yield served


@pytest.fixture(scope="module")
def document(client: Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def body_schema(document: dict[str, Any], model: str) -> Any:
    predict = document["paths"][f"/v1/models/{model}:predict"]["post"]
    return predict["requestBody"]["content"]["application/json"]["schema"]


def answer_schema(document: dict[str, Any], path: str, method: str) -> Any:
    answer = document["paths"][path][method]["responses"]["200"]
    return answer["content"]["application/json"]["schema"]


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OPENAPI_31_VALIDATOR.validate(document)
    for model in ("half", "mixed"):
        jsonschema_rs.meta.validate(body_schema(document, model))
        paths = (("", "get"), ("/metadata", "get"), (":predict", "post"))
        for ending, method in paths:
            path = f"/v1/models/{model}{ending}"
            jsonschema_rs.meta.validate(answer_schema(document, path, method))
            errors = document["paths"][path][method]["responses"]
            for status in ("4XX", "5XX"):
                assert errors[status] == {"$ref": "#/components/responses/Error"}
    assert len(document["paths"]) == 6


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("half", {"instances": [[1.0], [2.0]]}),
        ("half", {"instances": [{"x": [1.0]}]}),
        ("half", {"inputs": [[1.0]]}),
        ("half", {"inputs": {"x": [[1.0]]}}),
        ("half", {"signature_name": "serving_default", "inputs": [[1.0]]}),
        ("mixed", {"instances": [{"text": "a", "times": 1}]}),
        ("mixed", {"inputs": {"text": [{"b64": "AA=="}], "times": [1]}}),
        ("mixed", {"signature_name": "scalar", "inputs": {"b64": "AA=="}}),
    ],
)
def test_what_is_described_is_answered(
    client: Client, document: dict[str, Any], model: str, body: dict[str, Any]
) -> None:
    jsonschema_rs.validate(body_schema(document, model), body)
    path = f"/v1/models/{model}:predict"
    answer = client.request("POST", path, json=body)
    assert answer.status_code == 200
    schema = answer_schema(document, path, "post")
    text = answer.content.decode("utf-8", "replace")
    jsonschema_rs.validate(schema, json.loads(text))


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("half", {"instances": []}),
        ("half", {"instances": [["x"]]}),
        ("half", {"inputs": [[1.0]], "instances": [[1.0]]}),
        ("half", {"signature_name": "nope", "inputs": [[1.0]]}),
        ("half", {"signature_name": "narrow", "inputs": [[1.0]]}),
        ("mixed", {"instances": ["a"]}),
        ("mixed", {"inputs": {"text": ["a"]}}),
        ("mixed", {"inputs": {"text": ["a"], "times": [2**31]}}),
    ],
)
def test_what_is_not_described_is_refused(
    client: Client, document: dict[str, Any], model: str, body: dict[str, Any]
) -> None:
    assert not jsonschema_rs.is_valid(body_schema(document, model), body)
    answer = client.request("POST", f"/v1/models/{model}:predict", json=body)
    assert answer.status_code == 400


def test_scalars_have_no_rows(document: dict[str, Any]) -> None:
    rows = {"signature_name": "scalar", "instances": ["a"]}
    assert not jsonschema_rs.is_valid(body_schema(document, "mixed"), rows)


def test_other_answers_are_as_described(
    client: Client, document: dict[str, Any]
) -> None:
    for path in ("/v1/models/half", "/v1/models/half/metadata"):
        schema = answer_schema(document, path, "get")
        jsonschema_rs.validate(schema, client.get(path).json())
        assert not jsonschema_rs.is_valid(schema, {})
    error = document["components"]["schemas"]["Error"]
    jsonschema_rs.validate(error, client.get("/v1/models").json())


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", (None, None, None, 3)),
        ("uint8", (None, 4, 4, 3)),
        ("string", (None,)),
        ("bool", (None, 2)),
        ("int64", None),
    ],
)
def test_schemas_of_dtypes_and_shapes(
    dtype: str, shape: tuple[int | None, ...] | None
) -> None:
    inputs = {"x": dtype}
    signature = Signature(None, inputs, {"x": shape}, {}, True)
    schema = request_schema({"serving_default": signature})
    jsonschema_rs.meta.validate(schema)
    array = examples(inputs, {"x": shape})["x"]
    values = (
        np.vectorize(lambda v: v.decode("latin-1"))(array)
        if (dtype == "string")
        else array
    )
    jsonschema_rs.validate(schema, {"inputs": values.tolist()})
    if shape is not None:
        jsonschema_rs.validate(schema, {"instances": values.tolist()})
        too_deep = {"inputs": [[[[[[values.tolist()]]]]]]}
        assert not jsonschema_rs.is_valid(schema, too_deep)
