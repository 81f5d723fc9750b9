"""Serves exported models on this machine, over TensorFlow Serving's REST and gRPC APIs.

    python -m export.serve --model_base=DIR

DIR holds <name>/<integer version>/saved_model.pb. The newest version of each model is
served, and new versions are picked up while it runs; DIR/models.config can override
this.
"""

import gc
import importlib
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from export.command import quiet_tensorflow, run
from export.serving.limits import Limits
from export.serving.listening import bracketed, listen
from tfgan_models import extras
from tfgan_models.errors import FailureError, UsageError

if TYPE_CHECKING:
    from export.serving.grpc_server import GrpcServer
    from export.serving.metrics import Metrics
    from export.serving.versions import VersionManager

_PACKAGES = (
    *("grpc", "grpc_health", "orjson", "prometheus_client", "starlette", "uvicorn"),
)


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model_base", None, "Folder of <name>/<version>/saved_model.pb. Required."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
    for api, port in (("rest", 8501), ("grpc", 8500)):
        flags.DEFINE_integer(
            f"{api}_port", port, f"Port of the {api} API; 0: any free one.", 0, 65535
        )
    flags.DEFINE_boolean(
        "enable_batching", True, "Run requests that wait at the same time together."
    )
    flags.DEFINE_integer(
        "max_queue", 256, "Requests that may wait for a model; more: 503.", 1, 4096
    )
    flags.DEFINE_integer(
        "max_body_mb", 64, "Largest request body in MiB; larger: 413.", 1, 2047
    )
    flags.DEFINE_integer(
        "timeout_ms", 30_000, "Longest time of a request; longer: 504.", 1
    )
    flags.DEFINE_integer(
        "max_pixels",
        Limits.max_pixels,
        "Largest image in pixels, counting sides below 256 as 256; larger: 400.",
        2**16,
    )
    flags.DEFINE_float(
        "poll_seconds", 1.0, "Interval between checks for new versions.", 0.01
    )
    flags.DEFINE_list(
        "cors_origins",
        [],
        "Origins of web pages that may send requests, for example https://example.org; "
        "*: all.",
    )
    flags.DEFINE_boolean(
        "request_log",
        True,
        "Log each request and version on stderr; otherwise only problems.",
    )


def main(argv: Sequence[str]) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    del argv
    if not flags.FLAGS.model_base:
        raise UsageError(
            "--model_base is required: the folder of <name>/<version>/saved_model.pb"
        )
    if 0 != flags.FLAGS.rest_port == flags.FLAGS.grpc_port:
        raise UsageError(
            "--rest_port and --grpc_port must differ. Received: "
            f"{flags.FLAGS.rest_port} for both"
        )
    for origin in flags.FLAGS.cors_origins:
        if not re.fullmatch(r"\*|https?://[^/]+", origin):
            raise UsageError(
                f"--cors_origins={origin} is not an origin. Give the scheme, the host "
                "and, if it is not the default one, the port, for example "
                "https://example.org or http://localhost:3000; * allows all."
            )
    # Read when grpc is imported: its own stderr lines would not be JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for package in _PACKAGES:
        _require(package)
    from export.serving.grpc_server import GrpcServer
    from export.serving.logs import show_info, stderr_as_json, take_over_logging
    from export.serving.metrics import Metrics
    from export.serving.versions import VersionManager

    metrics = Metrics()
    manager = VersionManager(
        Path(flags.FLAGS.model_base), flags.FLAGS.poll_seconds, metrics
    )
    limits = Limits(
        max_body_bytes=flags.FLAGS.max_body_mb * 2**20,
        timeout_s=flags.FLAGS.timeout_ms / 1000,
        # Those that wait, and as many that are being read, run or answered.
        max_in_flight=2 * flags.FLAGS.max_queue,
        max_pixels=flags.FLAGS.max_pixels,
    )
    # gRPC does not say why it cannot listen: our own socket does.
    _listen("grpc_port").close()
    with _listen("rest_port") as listener:
        # Clients of both wait while TensorFlow is imported and models are loaded.
        grpc_server = GrpcServer(flags.FLAGS.host, flags.FLAGS.grpc_port, limits)
        quiet_tensorflow()
        take_over_logging()
        show_info(flags.FLAGS.request_log)
        with stderr_as_json():
            _serve(manager, metrics, limits, listener, grpc_server)


def _require(package: str) -> None:
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise FailureError(
            extras.missing("The endpoint", error.name, "export")
        ) from error


def _listen(port_flag: str) -> socket.socket:
    return listen(
        flags.FLAGS.host, flags.FLAGS.get_flag_value(port_flag, None), port_flag
    )


def _serve(
    manager: "VersionManager",
    metrics: "Metrics",
    limits: Limits,
    listener: socket.socket,
    grpc_server: "GrpcServer",
) -> None:
    """Serves until a signal arrives."""
    import tensorflow  # noqa: F401

    from export.serving import image_limit
    from export.serving.batching import Batcher
    from export.serving.endpoint import build_app
    from export.serving.grpc_service import Services
    from export.serving.predictor import Predictor
    from export.serving.server import serve_until_stopped

    # The first request must not wait for it.
    image_limit.size(b"")
    # What is imported by now is never garbage: a collection that traverses all of
    # TensorFlow's modules would delay requests by up to a second.
    gc.collect()
    gc.freeze()
    manager.start()
    batcher = Batcher(
        flags.FLAGS.max_queue, os.cpu_count() or 1, flags.FLAGS.enable_batching, metrics
    )
    metrics.queue_length(batcher.waiting)
    predictor = Predictor(manager, batcher, limits.max_pixels)
    grpc_server.start(Services(predictor, manager, metrics, limits))
    finished = serve_until_stopped(
        build_app(predictor, manager, metrics, limits, flags.FLAGS.cors_origins),
        listener,
        grpc_server,
        f"{_rest_line(manager, listener)}\n"
        f"gRPC at {bracketed(flags.FLAGS.host)}:{grpc_server.port}",
    )
    if finished:
        batcher.close()
        manager.close()


def _rest_line(manager: "VersionManager", listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    serving = manager.serving()
    models = ", ".join(f"{name} version {max(v)}" for name, v in serving.items())
    name = next(iter(serving)) if len(serving) == 1 else "NAME"
    address = f"http://{bracketed(host)}:{port}"
    return f"Serving {models} at {address}/v1/models/{name}:predict"


if __name__ == "__main__":
    define_flags()
    run(main)
