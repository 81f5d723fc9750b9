"""Compares the local endpoint with TensorFlow Serving itself: `make serve-real`.

    python -m tests.real_server

Exports small models, starts the tensorflow/serving image with the docker-compose.yml
that was written beside them, and export.serve on the same folder; sends the same
requests to both and prints where the answers differ. Exit status 1 if any do, or if
there is no docker: nothing is verified then.
"""

import base64
import io
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import requests
from PIL import Image

from export import server_files
from export.command import quiet_tensorflow, run
from export.signatures import saved_signatures
from export.signatures.examples import examples, png_file
from tfgan_models.errors import FailureError

REAL = "http://127.0.0.1:8501"
PROJECT = "tfgan_models_real_server"
NAME, TWICE = "tiny", "cyclegan"
"""Of the models, and the system of the one that has two versions."""
TOLERANCE = 1e-4
TIMEOUT = 600
"""Seconds for the image to come and the models to load."""


class Case(NamedTuple):
    """A request.

    Args:
        method: GET or POST.
        path: Behind the address.
        body: Of a POST.
    """

    method: str
    path: str
    body: str = ""


def main(argv: Sequence[str]) -> None:
    """Compares and prints what differs."""
    del argv
    _need_docker()
    quiet_tensorflow()
    # Not hidden, that a docker in a virtual machine may have the folder too.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="real_server_") as folder:
        model_base = Path(folder)
        write_models(model_base)
        asked = list(cases(model_base))
        with _real_server(model_base), _local_endpoint(model_base) as local:
            found = [
                f"{case.method} {case.path} {case.body[:80]}\n  {difference}"
                for case in asked
                for difference in differences(_ask(local, case), _ask(REAL, case))
            ]
    for text in found:
        print(text)
    if found:
        raise FailureError(f"{len(found)} differences in {len(asked)} requests.")
    print(f"{len(asked)} requests: the answers of both servers are the same.")


def write_models(model_base: Path) -> None:
    """Exports a small model of every system, one of them in two versions."""
    from export.saved_model import export_networks
    from tests.export.formats.models import SYSTEMS

    networks = {system: build() for system, build in SYSTEMS.items()}
    export_networks(networks, model_base, NAME)
    export_networks({TWICE: networks[TWICE]}, model_base, NAME)
    server_files.write(model_base, (f"{NAME}_{TWICE}", 2))


def cases(model_base: Path) -> Iterator[Case]:
    """Yields requests to every signature, right ones and wrong ones."""
    for name, versions in server_files.models_of(model_base).items():
        model = f"/v1/models/{name}"
        newest = next(iter(versions))
        yield Case("GET", model)
        yield Case("GET", f"{model}/versions/{newest}")
        yield Case("GET", f"{model}/metadata")
        yield Case("GET", f"{model}/versions/99")
        for signature_name, signature in saved_signatures.read(
            versions[newest]
        ).items():
            inputs = examples(signature.inputs, signature.input_shapes, 2)
            values = {key: to_json(array) for key, array in inputs.items()}
            rows = [{key: value[i] for key, value in values.items()} for i in range(2)]
            for place in ("", f"/versions/{newest}", "/labels/stable"):
                path = f"{model}{place}:predict"
                for request in ({"instances": rows}, {"inputs": values}):
                    body = {"signature_name": signature_name, **request}
                    yield Case("POST", path, json.dumps(body))
    yield from _wrong(f"/v1/models/{NAME}_{TWICE}")


def _wrong(model: str) -> Iterator[Case]:
    """Yields requests that are refused; `model` has one input, `image`."""
    predict = f"{model}:predict"
    broken = base64.b64encode(png_file()[:60]).decode()
    yield Case("POST", f"{model}/labels/none:predict", '{"instances": [[[[0, 0, 0]]]]}')
    yield Case("POST", f"{model}/versions/99:predict", '{"instances": [[[[0, 0, 0]]]]}')
    yield Case("POST", "/v1/models/none:predict", '{"instances": [1]}')
    yield Case("POST", "/v1/models/none:predict", '{"instances": [')
    yield Case("GET", "/v1/models")
    yield Case("GET", predict)
    for body in (
        "",
        "[]",
        "{}",
        '{"instances": []}',
        '{"instances": [[[[0, 0, 0]]]], "inputs": 1}',
        '{"instances": [[[[0, 0, 0]]]], "signature_name": "none"}',
        '{"instances": [[[[0, 0, 0]]]], "signature_name": 1}',
        '{"instances": [[[[0, 0, "a"]]]]}',
        '{"instances": [[[0, 0, 0]]]}',
        '{"inputs": {"other": 1}}',
        '{"signature_name": "encoded", "instances": [{"b64": "%"}]}',
        json.dumps({"signature_name": "encoded", "instances": [{"b64": broken}]}),
        '{"signature_name": "encoded", "instances": ["no image"]}',
    ):
        yield Case("POST", predict, body)


def differences(
    ours: tuple[int, Any], theirs: tuple[int, Any], path: str = "answer"
) -> list[str]:
    """Returns where two answers, of status and JSON value, differ."""
    if ours[0] != theirs[0]:
        return [f"status {ours[0]}, the real one {theirs[0]}: {str(theirs[1])[:200]}"]
    return list(_compare(ours[1], theirs[1], path))


def _compare(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if list(ours) != list(theirs):
            yield f"{path}: {list(ours)}, the real one {list(theirs)}"
            return
        for key, value in ours.items():
            yield from _compare(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} values, the real one {len(theirs)}"
            return
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _compare(*pair, f"{path}[{i}]")
    elif not _same(ours, theirs, path):
        yield f"{path}: {str(ours)[:200]!r}, the real one {str(theirs)[:200]!r}"


def _same(ours: Any, theirs: Any, path: str) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (
            math.isnan(ours) and math.isnan(theirs)
        )
    if path.endswith(".b64") and isinstance(ours, str) and isinstance(theirs, str):
        return _same_pixels(base64.b64decode(ours), base64.b64decode(theirs))
    if path.endswith(".error") and isinstance(theirs, str):
        # The real server adds the nodes of the graph in which a model failed.
        return bool(ours) and ours in theirs
    return type(ours) is type(theirs) and ours == theirs


def _same_pixels(ours: bytes, theirs: bytes) -> bool:
    """Whether two PNG files show the same, to a level."""
    a, b = (np.asarray(Image.open(io.BytesIO(c))).astype(int) for c in (ours, theirs))
    return a.shape == b.shape and np.abs(a - b).max() <= 1


def to_json(array: np.ndarray) -> Any:
    """Returns an input as JSON has it; strings, of shape [N], in base64."""
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in array]


def _ask(address: str, case: Case) -> tuple[int, Any]:
    answer = requests.request(
        case.method, address + case.path, data=case.body, timeout=60
    )
    return answer.status_code, answer.json()


def _need_docker() -> None:
    docker = shutil.which("docker")
    found = (
        docker
        and not subprocess.run(
            [docker, "compose", "version"], capture_output=True, check=False
        ).returncode
    )
    if (
        not found
        or subprocess.run([docker, "info"], capture_output=True, check=False).returncode
    ):
        raise FailureError(
            "Not verified against TensorFlow Serving: there is no docker with compose "
            "on this machine, or its daemon is not running."
        )


@contextmanager
def _real_server(model_base: Path) -> Iterator[None]:
    """Runs TensorFlow Serving until all its models are available."""
    compose = ["docker", "compose", "--project-name", PROJECT]
    compose += ["--file", str(model_base / server_files.COMPOSE)]
    try:
        started = subprocess.run(
            [*compose, "up", "--detach", "--wait", f"--wait-timeout={TIMEOUT}"],
            check=False,
        )
        if started.returncode:
            subprocess.run([*compose, "logs"], check=False)
            raise FailureError("TensorFlow Serving did not start: see its log above.")
        yield
    finally:
        subprocess.run([*compose, "down"], capture_output=True, check=False)


@contextmanager
def _local_endpoint(model_base: Path) -> Iterator[str]:
    """Runs export.serve on free ports; yields its address."""
    command = [sys.executable, "-m", "export.serve", f"--model_base={model_base}"]
    process = subprocess.Popen(
        [*command, "--rest_port=0", "--grpc_port=0", "--request_log=false"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        if " at http://" not in line:
            raise FailureError("export.serve did not start: see its output above.")
        yield line.split(" at ")[1].split("/v1/")[0]
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    run(main)
