"""A web page for exported models.

    python -m export.studio --model_base=models
    python -m export.studio --url=http://localhost:8501 --models=mine_a2b,mine_b2a

With --model_base it starts `python -m export.serve` on a free port and stops it at the
end. With --url it shows models of a running endpoint, which are named by
--models, because TensorFlow Serving's API does not list them. What each model can
do is requested from the endpoint, each time the page is loaded.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from types import FrameType
from urllib.parse import urlsplit

from absl import flags

from export.command import run
from export.page.endpoint import Endpoint, names_in, own_endpoint
from export.serving.listening import listen
from tfgan_models import extras
from tfgan_models.errors import FailureError, UsageError


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model_base",
        None,
        "Folder of <name>/<version>/saved_model.pb, which is served and shown.",
    )
    flags.DEFINE_string(
        "url", None, "Instead: a running endpoint, such as http://localhost:8501."
    )
    flags.DEFINE_list("models", [], "With --url: the names of the models to show.")
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
    flags.DEFINE_integer("port", 7860, "Port of the page; 0: any free one.", 0, 65535)


def main(argv: Sequence[str]) -> None:
    """Shows the page until SIGTERM or Ctrl-C."""
    del argv
    _check_flags()
    with tempfile.TemporaryDirectory(prefix="studio_") as folder:
        # Gradio reads these when it is imported.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            from export.page.layout import build
            from export.page.server import show_until_stopped
        except ModuleNotFoundError as error:
            raise FailureError(
                extras.missing("The studio", error.name, "studio")
            ) from error
        # From here on there is something to clean up.
        signal.signal(signal.SIGTERM, _exit)
        host, port = flags.FLAGS.host, flags.FLAGS.port
        with listen(host, port, "port") as listener, _endpoint() as (endpoint, process):
            page = build(endpoint, Path(folder))
            show_until_stopped(page, listener, endpoint, process)


def _check_flags() -> None:
    url, models = flags.FLAGS.url, flags.FLAGS.models
    if bool(url) == bool(flags.FLAGS.model_base):
        raise UsageError(
            "Give one of --model_base (a folder of models, which is served) and --url "
            f"(a running endpoint). Received: --model_base={flags.FLAGS.model_base} "
            f"--url={url}"
        )
    if bool(url) != bool(models):
        raise UsageError(
            "--models=NAME,NAME goes with --url: the names of the models to show. "
            f"Received: --url={url} --models={','.join(models)}"
        )
    if url and (urlsplit(url).scheme not in {"http", "https"} or "/v1" in url):
        raise UsageError(
            "--url must be an endpoint's address, for example http://localhost:8501. "
            f"Received: {url}"
        )


@contextmanager
def _endpoint() -> Iterator[tuple[Endpoint, Popen[str] | None]]:
    """The endpoint to show, and its process where it is ours."""
    if flags.FLAGS.url:
        models = flags.FLAGS.models
        yield Endpoint(flags.FLAGS.url.rstrip("/"), lambda: models), None
        return
    model_base = Path(flags.FLAGS.model_base)
    names_in(model_base)
    with own_endpoint(model_base) as process:
        yield Endpoint("", lambda: names_in(model_base)), process


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    define_flags()
    run(main)
