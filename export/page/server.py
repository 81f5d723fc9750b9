"""Runs the studio's page until a signal stops it."""

import socket
import threading
from subprocess import Popen

import fastapi
import gradio
import uvicorn

from export.page.endpoint import Endpoint, ready_url
from export.page.layout import STYLE
from export.serving.listening import bracketed
from export.serving.uvicorn_server import Server
from tfgan_models.errors import FailureError

LARGEST_FILE = 40 * 2**20
"""Maximum bytes of an upload: in base64 it is below the endpoint's request limit."""
FONTS = (
    # Gradio bundles this font: the page needs no Internet. Its files of
    # heavier weights lack most letters; browsers embolden this one.
    gradio.themes.LocalFont("IBM Plex Sans", (400,)),
    gradio.themes.Font("sans-serif"),
)
# Open pages hold their connection while they are open.
_GRACE_SECONDS = 1


def show_until_stopped(
    page: gradio.Blocks,
    listener: socket.socket,
    endpoint: Endpoint,
    process: Popen[str] | None,
) -> None:
    """Serves a page until SIGTERM or Ctrl-C.

    Args:
        page: The page.
        listener: Where it listens.
        endpoint: The endpoint that it shows.
        process: The endpoint's process, which may still be loading; None: not ours.

    Raises:
        FailureError: The endpoint's process ended.
        SystemExit: It did not start; it has said why on stderr.
    """
    host, port = listener.getsockname()[:2]
    app = gradio.mount_gradio_app(
        fastapi.FastAPI(openapi_url=None),
        page,
        "/",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=LARGEST_FILE,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=gradio.themes.Default(font=FONTS),
        css_paths=STYLE,
    )
    config = uvicorn.Config(
        app,
        # It would report each page still open at the end.
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = Server(config, f"The studio is at http://{bracketed(host)}:{port}/")
    ended: list[int] = []
    if process is not None:
        _watch(process, endpoint, server, ended)
    server.run_until_stopped(listener)
    if not ended:
        return
    if not endpoint.url:
        raise SystemExit(ended[0] or 1)
    raise FailureError(
        f"The endpoint ended with status {ended[0]}, and the studio with it."
    )


def _watch(
    process: Popen[str], endpoint: Endpoint, server: uvicorn.Server, ended: list[int]
) -> None:
    """Says when the endpoint is ready; stops the server when its process ends."""

    def wait() -> None:
        endpoint.url = ready_url(process)
        if endpoint.url:
            print(f"It shows the models of {endpoint.url}", flush=True)
        status = process.wait()
        if not server.should_exit:
            ended.append(status)
            server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
