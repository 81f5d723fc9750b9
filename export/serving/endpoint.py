"""The HTTP side of the local serving endpoint: paths, bodies, status codes."""

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from export.serving import rest
from export.serving.metadata import model_metadata
from export.serving.models import ModelFolder
from export.serving.status import HTTP_STATUS, Code, ServingError, invalid

_MAX_INFLATED = 100 * 1024 * 1024
_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(f"(?i){_MODEL}{_VERSION}:(?P<action>classify|regress|predict)")
_GET = re.compile(f"(?i){_MODEL}{_VERSION}(?P<action>/metadata)?")


@dataclass(frozen=True)
class Target:
    """What a request's path names.

    Args:
        action: "predict", "classify", "regress", "status" or "metadata".
        name: Of the model.
        version: None: the newest.
        label: Version label, or None.
    """

    action: str
    name: str
    version: int | None
    label: str | None


def parse_target(method: str, path: str) -> Target:
    """Reads method and path of a request.

    Args:
        method: "GET", "POST", ...
        path: Still percent-encoded, without the query.

    Raises:
        ServingError: The API has no such path and method.
    """
    pattern = {"GET": _GET, "POST": _POST}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        if method == "GET" and path.lower() == "/v1/models":
            raise invalid("Missing model name in request.")
        raise invalid(f"Malformed request: {method} {path}")
    version, label = match["version"], match["label"]
    return Target(
        action=(match["action"] or "status").lstrip("/").lower(),
        name=unquote(match["name"]),
        version=None if version is None else int(version),
        label=None if label is None else unquote(label),
    )


def answer(folder: ModelFolder, method: str, path: str, body: bytes) -> bytes:
    """Answers a request: the whole of the API but for HTTP itself.

    Args:
        folder: The models.
        method: "GET", "POST", ...
        path: Still percent-encoded, without the query.
        body: Of the request, inflated.

    Returns:
        JSON.

    Raises:
        ServingError: The request is answered with an error.
    """
    target = parse_target(method, path)
    if target.action == "status":
        return _dump(_status(folder, target))
    if target.action == "metadata":
        version = folder.resolve(target.name, target.version, target.label)
        directory = folder.directory(target.name, version)
        return _dump(model_metadata(directory, target.name, version))
    if target.action != "predict":
        raise ServingError(
            Code.UNIMPLEMENTED, f"{target.action} is not offered here; use predict"
        )
    return _predict(folder, target, body)


def build_app(folder: ModelFolder) -> Starlette:
    """Returns the ASGI application that serves `folder`.

    Parsing, models and formatting run in a worker thread.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        response = await _respond(folder, Request(scope, receive))
        await response(scope, receive, send)

    handler: ASGIApp = serve
    return Starlette(routes=[Mount("/", app=handler)])


async def _respond(folder: ModelFolder, request: Request) -> Response:
    path = request.scope["raw_path"].decode("latin-1")
    if not path.lower().startswith("/v1/"):
        return HTMLResponse("<h1>Not Found</h1>", 404)
    body = await request.body()
    if request.headers.get("content-encoding", "").lower() == "gzip":
        body = await run_in_threadpool(_inflate, body)
    try:
        text = await run_in_threadpool(answer, folder, request.method, path, body)
    except ServingError as error:
        return Response(
            _dump({"error": error.message}),
            HTTP_STATUS[error.code],
            media_type="application/json",
        )
    return Response(text, media_type="application/json")


def _predict(folder: ModelFolder, target: Target, body: bytes) -> bytes:
    request = rest.parse_body(body)
    signature_name = rest.signature_name(request)
    version = folder.resolve(target.name, target.version, target.label)
    signature = folder.model(target.name, version).signature(signature_name)
    inputs, row = rest.decode_inputs(request, signature.inputs)
    return rest.encode_outputs(signature.run(inputs), row)


def _status(folder: ModelFolder, target: Target) -> dict[str, Any]:
    versions = folder.versions(target.name)
    if target.version is not None:
        versions = [v for v in versions if v == target.version]
    if not versions:
        raise ServingError(
            Code.NOT_FOUND, f"Could not find any versions of model {target.name}"
        )
    ok = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [
            {"version": str(v), "state": "AVAILABLE", "status": ok} for v in versions
        ]
    }


def _inflate(body: bytes) -> bytes:
    """Un-gzips; what is no gzip or too large counts as an empty body."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, _MAX_INFLATED)
    except zlib.error:
        return b""
    return inflated if inflater.eof else b""


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
