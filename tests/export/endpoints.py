"""Endpoints that do as they are told, in this process, for the client's tests.

They answer a picture with the same picture.
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "1"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "encoded": {
                    "inputs": {"image_bytes": {"dtype": "DT_STRING"}},
                    "outputs": {"translated_bytes": {"dtype": "DT_STRING"}},
                },
                "serving_default": {
                    "inputs": {"image": {"dtype": "DT_FLOAT"}},
                    "outputs": {"translated_image": {"dtype": "DT_FLOAT"}},
                },
            }
        }
    },
}


class Script:
    """What happens to the next predictions, and what was received.

    Attributes:
        refusals: Statuses (or gRPC codes) that the next requests get.
        seconds: How long each prediction takes.
        received: The pictures, refused ones too.
        most_at_once: Predictions that ran at the same time.
    """

    def __init__(self) -> None:
        self.refusals: list[Any] = []
        self.seconds = 0.0
        self.received: list[bytes] = []
        self.specs: list[Any] = []
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()

    def predict(self, picture: bytes) -> Any:
        """Returns the refusal that this request gets, or None."""
        with self._lock:
            self.received.append(picture)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            refusal = self.refusals.pop(0) if self.refusals else None
        time.sleep(self.seconds)
        with self._lock:
            self._running -= 1
        return refusal


@contextmanager
def rest(port: int = 0) -> Iterator[tuple[Script, str]]:
    """Serves model `m` over REST; yields the script and the model's address."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/v1/models/m/metadata":
                self.answer(200, METADATA)
            else:
                self.answer(404, {"error": "Could not find any versions of model"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/models/m:predict":
                self.answer(404, {"error": "Servable not found for request"})
                return
            assert body["signature_name"] == "encoded"
            (instance,) = body["instances"]
            refusal = script.predict(base64.b64decode(instance["b64"]))
            if refusal:
                self.answer(refusal, {"error": "as told"})
            else:
                self.answer(200, {"predictions": [instance]})

        def answer(self, status: int, content: Any) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield script, f"http://127.0.0.1:{server.server_port}/v1/models/m"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def rpc(port: int = 0) -> Iterator[tuple[Script, str]]:
    """Serves any model over gRPC; yields the script and the address of model `m`."""
    script = Script()

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def GetModelMetadata(self, request: Any, context: Any) -> Any:
            if request.model_spec.name != "m":
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
            signatures = get_model_metadata_pb2.SignatureDefMap()
            encoded = signatures.signature_def["encoded"]
            encoded.inputs["image_bytes"].dtype = types_pb2.DT_STRING
            encoded.outputs["translated_bytes"].dtype = types_pb2.DT_STRING
            answer = get_model_metadata_pb2.GetModelMetadataResponse()
            answer.metadata["signature_def"].Pack(signatures)
            return answer

        def Predict(self, request: Any, context: Any) -> Any:
            script.specs.append(request.model_spec)
            tensor = request.inputs["image_bytes"]
            assert [dim.size for dim in tensor.tensor_shape.dim] == [1]
            refusal = script.predict(tensor.string_val[0])
            if refusal:
                context.abort(refusal, "as told")
            answer = predict_pb2.PredictResponse()
            answer.outputs["translated_bytes"].CopyFrom(tensor)
            return answer

    options = [("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(8), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield script, f"grpc://127.0.0.1:{port}/m"
    finally:
        server.stop(0).wait()
