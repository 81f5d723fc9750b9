"""Serves exported models on this machine, over TensorFlow Serving's REST API.

    python -m export.serve --model_base=DIR

DIR holds <name>/<integer version>/saved_model.pb; the newest version is served, older
ones under /versions/N.
"""

import socket
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from export.command import quiet_tensorflow, run
from export.serving.models import ModelFolder
from export.serving.status import ServingError
from tfgan_models.errors import FailureError, UsageError


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model_base", None, "Folder of <name>/<version>/saved_model.pb. Required."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
    flags.DEFINE_integer(
        "rest_port", 8501, "Port of the REST API; 0: any free one.", 0, 65535
    )
    flags.DEFINE_integer(
        "grpc_port",
        8500,
        "Reserved: gRPC is not served yet, and this port is not opened.",
        0,
        65535,
    )


def main(argv: Sequence[str]) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    del argv
    if not flags.FLAGS.model_base:
        raise UsageError(
            "--model_base is required: the folder of <name>/<version>/saved_model.pb"
        )
    try:
        from export.serving.endpoint import build_app
        from export.serving.server import serve_until_stopped
    except ModuleNotFoundError as error:
        raise FailureError(
            f"The endpoint needs the package {error.name}: "
            "pip install 'tfgan-models[export]'"
        ) from error
    folder = ModelFolder(Path(flags.FLAGS.model_base))
    with _listen(flags.FLAGS.host, flags.FLAGS.rest_port) as listener:
        quiet_tensorflow()
        try:
            folder.load_newest()
        except ServingError as error:
            raise FailureError(error.message) from error
        serve_until_stopped(build_app(folder), listener, _ready_line(folder, listener))


def _listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket: requests wait there until the models are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"--host={host} is no address: {error.strerror}") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise FailureError(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            "Choose another port with --rest_port (0: any free one)."
        ) from error
    return listener


def _ready_line(folder: ModelFolder, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    newest = folder.newest()
    models = ", ".join(f"{name} version {v}" for name, v in newest.items())
    name = next(iter(newest)) if len(newest) == 1 else "NAME"
    return f"Serving {models} at http://{host}:{port}/v1/models/{name}:predict"


if __name__ == "__main__":
    define_flags()
    run(main)
