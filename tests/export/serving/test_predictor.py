"""A request's way through versions, signatures and batches."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.serving.batching import Batcher
from export.serving.models import Signature
from export.serving.predictor import ModelSpec, Predictor
from export.serving.status import Code, ServingError, invalid
from export.serving.versions import VersionManager


@pytest.fixture(scope="module")
def predictor(model_base: Path) -> Iterator[Predictor]:
    batcher = Batcher(max_queue=256, threads=2)
    with VersionManager(model_base) as manager:
        yield Predictor(manager, batcher)
    batcher.close()


def soon() -> float:
    return time.monotonic() + 30


def halve(predictor: Predictor, x: Any, **spec: Any) -> tuple[Any, int]:
    inputs = {"x": np.array(x, np.float32)}
    prediction = predictor.predict(ModelSpec("half", **spec), lambda _: inputs, soon())
    return prediction.outputs["y"].tolist(), prediction.version


def test_versions_and_labels(predictor: Predictor) -> None:
    assert halve(predictor, [[2.0]]) == ([[3.0]], 12)
    assert halve(predictor, [[2.0]], version=1) == ([[2.0]], 1)
    assert halve(predictor, [[2.0]], label="old") == ([[2.0]], 1)
    assert halve(predictor, [[2.0]], label="stable") == ([[3.0]], 12)
    # Shapes are left to the graph.
    assert halve(predictor, 2.0) == (3.0, 12)


def test_what_a_signature_says_of_itself(predictor: Predictor) -> None:
    asked = []

    def decode(signature: Signature) -> dict[str, np.ndarray]:
        asked.append(signature)
        text = np.array([b"a\0", b""], object)
        return {"text": text, "times": np.array([1, 2], np.int32)}

    outputs = predictor.predict(ModelSpec("mixed"), decode, soon()).outputs
    assert list(outputs) == ["joined_bytes", "text", "twice"]
    assert outputs["joined_bytes"].tolist() == [b"a\0a\0", b""]
    assert outputs["twice"].tolist() == [2, 4]
    (signature,) = asked
    assert signature.inputs == {"text": "string", "times": "int32"}
    assert signature.shapes == {"text": (None,), "times": (None,)}
    assert signature.outputs == {
        "joined_bytes": "string",
        "text": "string",
        "twice": "int32",
    }
    assert signature.batched
    spec = ModelSpec("mixed", signature="scalar")

    def scalar(signature: Signature) -> dict[str, np.ndarray]:
        assert signature.shapes == {"text": ()}
        assert not signature.batched
        return {"text": np.array(b"a\0", object)}

    output = predictor.predict(spec, scalar, soon()).outputs["text_bytes"]
    assert output.item() == b"a\0"


def test_clients_at_once(predictor: Predictor) -> None:
    def ask(i: int) -> bool:
        version, offset = ((1, 1.0), (12, 2.0))[i % 2]
        x = [[float(j)] for j in range(i % 4 + 1)]
        answer = [[0.5 * row[0] + offset] for row in x]
        return halve(predictor, x, version=version) == (answer, version)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


def test_errors(predictor: Predictor) -> None:
    def refuse(signature: Signature) -> dict[str, np.ndarray]:
        raise invalid("not so")

    for spec, code, text in (
        (ModelSpec("no"), Code.NOT_FOUND, "Latest(no)"),
        (ModelSpec("half", 7), Code.NOT_FOUND, "Specific(half, 7)"),
        (ModelSpec("half", label="no"), Code.INVALID_ARGUMENT, "version label: no"),
        (
            ModelSpec("half", signature="no"),
            Code.FAILED_PRECONDITION,
            'Serving signature name: "no" not found in signature def',
        ),
        (ModelSpec("half"), Code.INVALID_ARGUMENT, "not so"),
    ):
        with pytest.raises(ServingError) as raised:
            predictor.predict(spec, refuse, soon())
        assert raised.value.code is code
        assert text in raised.value.message
    with pytest.raises(ServingError, match="not compatible with expected shape"):
        halve(predictor, [[1.0]], signature="narrow")
    with pytest.raises(ServingError) as raised:
        predictor.predict(
            ModelSpec("half"), lambda _: {"x": np.ones((1, 1))}, time.monotonic() - 1
        )
    assert raised.value.code is Code.DEADLINE_EXCEEDED


def test_a_version_is_in_use_until_its_answer_is_there(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (servable,) = (
        s for s in predictor._manager._all() if (s.name, s.version) == ("half", 1)
    )
    running, may_finish = threading.Event(), threading.Event()
    run = Signature.run

    def slow(self: Signature, inputs: Any) -> Any:
        running.set()
        assert may_finish.wait(30)
        return run(self, inputs)

    monkeypatch.setattr(Signature, "run", slow)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(halve, predictor, [[2.0]], version=1)
        assert running.wait(30)
        assert servable.uses == 1
        may_finish.set()
        assert asked.result() == ([[2.0]], 1)
    assert servable.uses == 0
