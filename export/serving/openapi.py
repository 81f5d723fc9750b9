"""The endpoint's OpenAPI document, built from the served models' signatures."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np

import tfgan_models
from export.serving.models import DEFAULT_SIGNATURE, Shape, Signature
from export.serving.rest_check import INTEGERS
from export.serving.status import ServingError
from export.serving.versions import State, VersionManager

Schema: TypeAlias = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_STRING: Schema = {"type": "string"}
_BASE64: Schema = {
    "type": "object",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}
_ERROR: Schema = {
    "type": "object",
    "properties": {"error": _STRING},
    "required": ["error"],
    "additionalProperties": False,
}
_ANSWER: Schema = {
    "type": "object",
    "properties": {"predictions": {"type": "array"}, "outputs": {}},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_STATUS: Schema = {
    "type": "object",
    "properties": {
        "model_version_status": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "version": {"type": "string", "pattern": "^[0-9]+$"},
                    "state": {"enum": [state.value for state in State]},
                    "status": {
                        "type": "object",
                        "properties": {
                            "error_code": _STRING,
                            "error_message": _STRING,
                        },
                        "required": ["error_code", "error_message"],
                    },
                },
                "required": ["version", "state", "status"],
            },
        }
    },
    "required": ["model_version_status"],
}
_METADATA: Schema = {
    "type": "object",
    "properties": {
        "model_spec": {"type": "object"},
        "metadata": {"type": "object", "required": ["signature_def"]},
    },
    "required": ["model_spec", "metadata"],
}


def openapi(manager: VersionManager) -> Schema:
    """Returns the document (OpenAPI 3.1) of the newest version of each model.

    Args:
        manager: Has the models.
    """
    paths: dict[str, Schema] = {}
    for name in manager.names():
        try:
            with manager.use(name) as loaded:
                signatures = loaded.model.signatures
        except ServingError:
            # It was unloaded a moment ago.
            continue
        paths.update(_paths(name, signatures))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TensorFlow Serving's REST API for the models served here",
            "version": tfgan_models.__version__,
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {
                "Error": _response(
                    "What is wrong.", {"$ref": "#/components/schemas/Error"}
                )
            },
        },
    }


def request_schema(signatures: Mapping[str, Signature]) -> Schema:
    """Returns the schema of a predict request's body.

    Args:
        signatures: Of the model, by name.
    """
    bodies = []
    for name, signature in signatures.items():
        shapes = signature.shapes
        columns = {n: _value(d, shapes[n]) for n, d in signature.inputs.items()}
        bodies.append(_body(name, "inputs", _named_or_plain(columns)))
        # A row lacks the first dimension, so scalars have no rows.
        if all(shape is None or shape for shape in shapes.values()):
            rows = {
                n: _value(d, _of_row(shapes[n])) for n, d in signature.inputs.items()
            }
            instances = {
                "type": "array",
                "minItems": 1,
                "items": _named_or_plain(rows),
            }
            bodies.append(_body(name, "instances", instances))
    return {"anyOf": bodies}


def _of_row(shape: Shape) -> Shape:
    return None if shape is None else shape[1:]


def _paths(name: str, signatures: Mapping[str, Signature]) -> dict[str, Schema]:
    path = f"/v1/models/{quote(name, safe='')}"
    predict = {
        "summary": f"Run {name}: {', '.join(signatures)}",
        "operationId": f"predict_{name}",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request_schema(signatures)}},
        },
        "responses": _responses("The model's outputs.", _ANSWER),
    }
    status = {
        "summary": f"The served versions of {name}",
        "operationId": f"status_{name}",
        "responses": _responses("The versions, newest first.", _STATUS),
    }
    metadata = {
        "summary": f"The signatures of {name}",
        "operationId": f"metadata_{name}",
        "responses": _responses("SignatureDefs.", _METADATA),
    }
    return {
        f"{path}:predict": {"post": predict},
        path: {"get": status},
        f"{path}/metadata": {"get": metadata},
    }


def _responses(description: str, schema: Schema) -> Schema:
    error = {"$ref": "#/components/responses/Error"}
    return {"200": _response(description, schema), "4XX": error, "5XX": error}


def _response(description: str, schema: Schema) -> Schema:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }


def _body(signature: str, key: str, schema: Schema) -> Schema:
    required = [key] if signature == DEFAULT_SIGNATURE else ["signature_name", key]
    other = "instances" if key == "inputs" else "inputs"
    return {
        "type": "object",
        "title": f"{signature}: {key}",
        "properties": {"signature_name": {"const": signature}, key: schema},
        "required": required,
        "not": {"required": [other]},
    }


def _named_or_plain(values: dict[str, Schema]) -> Schema:
    """{input name: value}; with a single input, the value alone is enough."""
    named = {"type": "object", "properties": values, "required": list(values)}
    return named if len(values) != 1 else {"anyOf": [*values.values(), named]}


def _value(dtype: str, shape: Shape) -> Schema:
    scalar = _scalar(dtype)
    if shape is None:
        return {"anyOf": [scalar, {"type": "array"}]}
    schema = scalar
    for size in reversed(shape):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _scalar(dtype: str) -> Schema:
    if dtype == "string":
        return {"anyOf": [_STRING, _BASE64]}
    if dtype == "bool":
        return {"type": "boolean"}
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return {
            "type": "integer",
            "minimum": int(limits.min),
            "maximum": int(limits.max),
        }
    return _NUMBER
